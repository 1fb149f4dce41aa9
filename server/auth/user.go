package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
)

const minPassword = 8 // bytes, of a password that a person chooses now

// What is wrong with a new user.
var (
	ErrUserName = errors.New("a user's name is 1 to 64 of A-Z a-z 0-9 . _ @ + - and begins with a letter or digit")
	ErrPassword = fmt.Errorf("a password has %d to %d characters", minPassword, maxPassword)
)

var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$`)

// AddUser adds an enabled user. It returns ErrUserName, ErrPassword, ErrRole or ErrExists.
func (s *Service) AddUser(ctx context.Context, name, password string, r Role) error {
	u, err := s.newUser(ctx, name, password, r)
	if err != nil {
		return err
	}
	return s.storage.AddUser(ctx, u)
}

// newUser checks and hashes what will be stored.
func (s *Service) newUser(ctx context.Context, name, password string, r Role) (User, error) {
	switch {
	case !userName.MatchString(name):
		return User{}, ErrUserName
	case len(password) < minPassword || len(password) > maxPassword:
		return User{}, ErrPassword
	case r.rank() == 0:
		return User{}, ErrRole
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return User{}, err
	}
	return User{Name: name, Hash: hash, Role: r, Enabled: true}, nil
}

// Users lists the users by name, without their hashes.
func (s *Service) Users(ctx context.Context) ([]User, error) {
	us, err := s.storage.Users(ctx)
	for i := range us {
		us[i].Hash = ""
	}
	return us, err
}

// RemoveUser removes a user and ends his sessions. It returns ErrNotFound.
func (s *Service) RemoveUser(ctx context.Context, name string) error {
	return s.storage.RemoveUser(ctx, name)
}

// password checks a user's password. Unknown, disabled and wrong take the same
// work and get the same answer.
func (s *Service) password(ctx context.Context, name, pass string, addr netip.Addr) (User, error) {
	from := addressKey(addr)
	if !s.addresses.take(from, s.now()) {
		return User{}, ErrThrottled
	}
	if !userName.MatchString(name) || len(pass) > maxPassword {
		return User{}, ErrUnauthenticated
	}
	account := foldName(name)
	if !s.accounts.take(account, s.now()) {
		return User{}, ErrThrottled
	}
	u, err := s.storage.User(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, fmt.Errorf("looking up the user: %w", err)
	}
	ok, err := s.hasher.verify(ctx, u.Hash, pass)
	if err != nil {
		return User{}, err
	}
	if !ok || !u.Enabled {
		return User{}, ErrUnauthenticated
	}
	s.addresses.giveBack(from)
	s.accounts.giveBack(account)
	return u, nil
}

// account looks up a signed-in user afresh, so that a removed, disabled or
// demoted one loses at once what he may do.
func (s *Service) account(ctx context.Context, name string) (User, error) {
	u, err := s.storage.User(ctx, name)
	if errors.Is(err, ErrNotFound) || err == nil && !u.Enabled {
		return User{}, ErrUnauthenticated
	}
	if err != nil {
		return User{}, fmt.Errorf("looking up the user: %w", err)
	}
	return u, nil
}
