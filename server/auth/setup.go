package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
)

const (
	secretSetup = "setup-token-hash"
	setupLen    = 24 // bytes
)

// ErrSetUp is returned when somebody sets up a server that has an admin.
var ErrSetUp = errors.New("this server is set up already, sign in instead")

// BeginSetUp makes the one-time token with which the first admin is made, or
// returns "" when there is one already. An earlier token stops working.
func (s *Service) BeginSetUp(ctx context.Context) (string, error) {
	needed, err := s.SetUpNeeded(ctx)
	if err != nil || !needed {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(random(setupLen))
	sum := sha256.Sum256([]byte(token))
	if err := s.storage.PutSecret(ctx, secretSetup, sum[:]); err != nil {
		return "", fmt.Errorf("storing the set-up token: %w", err)
	}
	return token, nil
}

// SetUpNeeded tells whether there is nobody yet who may administer: a viewer
// who was added before the first start leaves the server without an owner.
func (s *Service) SetUpNeeded(ctx context.Context) (bool, error) {
	has, err := s.storage.HasAdmin(ctx)
	if err != nil {
		return false, fmt.Errorf("looking for an admin: %w", err)
	}
	return !has, nil
}

// SetUp makes the first admin and signs him in. It returns ErrSetUp,
// ErrUnauthenticated for a wrong token, or what AddUser returns.
func (s *Service) SetUp(ctx context.Context, token string, name, pass string, addr netip.Addr) (string, Account, error) {
	if err := s.checkSetUp(ctx, token, addr); err != nil {
		return "", Account{}, err
	}
	u, err := s.newUser(ctx, name, pass, Admin)
	if err != nil {
		return "", Account{}, err
	}
	if err := s.addFirst(ctx, u); err != nil {
		return "", Account{}, err
	}
	if err := s.storage.PutSecret(ctx, secretSetup, nil); err != nil {
		return "", Account{}, fmt.Errorf("removing the set-up token: %w", err)
	}
	return s.beginSession(ctx, u)
}

// checkSetUp compares the token in constant time and counts wrong ones.
func (s *Service) checkSetUp(ctx context.Context, token string, addr netip.Addr) error {
	needed, err := s.SetUpNeeded(ctx)
	if err != nil {
		return err
	}
	if !needed {
		return ErrSetUp
	}
	want, err := s.storage.Secret(ctx, secretSetup)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("reading the set-up token: %w", err)
	}
	sum := sha256.Sum256([]byte(token))
	if subtle.ConstantTimeCompare(sum[:], want) == 1 {
		return nil
	}
	if !s.addresses.take(addressKey(addr), s.now()) {
		return ErrThrottled
	}
	return ErrUnauthenticated
}

// AddAdmin makes the user "admin" when there is no admin, and tells whether it
// did; ErrExists says that another user has this name. The password is the operator's own, so any that is not empty will do.
func (s *Service) AddAdmin(ctx context.Context, pass string) (bool, error) {
	needed, err := s.SetUpNeeded(ctx)
	if err != nil || !needed {
		return false, err
	}
	if pass == "" || len(pass) > maxPassword {
		return false, ErrPassword
	}
	hash, err := s.hasher.hash(ctx, pass)
	if err != nil {
		return false, err
	}
	err = s.addFirst(ctx, User{Name: "admin", Hash: hash, Role: Admin, Enabled: true})
	return err == nil, err
}

func (s *Service) addFirst(ctx context.Context, u User) error {
	err := s.storage.AddFirstAdmin(ctx, u)
	if !errors.Is(err, ErrExists) {
		return err
	}
	if needed, failed := s.SetUpNeeded(ctx); failed != nil || needed {
		return errors.Join(failed, err)
	}
	return ErrSetUp
}
