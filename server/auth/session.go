package auth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// SessionTTL is how long a browser stays signed in.
const SessionTTL = 30 * 24 * time.Hour

const (
	sessionLen      = 32 // bytes
	sessionsPerUser = 32
)

// Account is a signed-in user.
type Account struct {
	Name string `json:"name"`
	Role Role   `json:"role"`
}

// Credentials are what somebody signs in with.
type Credentials struct {
	User string
	Pass string
	Addr netip.Addr
	Old  string // token of the session that this one takes the place of, "" for none
}

// SignIn checks a password and begins a session: a token to be kept by the
// browser. It returns ErrUnauthenticated or ErrThrottled.
func (s *Service) SignIn(ctx context.Context, c Credentials) (string, Account, error) {
	u, err := s.password(ctx, c.User, c.Pass, c.Addr)
	if err != nil {
		return "", Account{}, err
	}
	// A new token at each sign-in: one planted before is worth nothing after.
	if err := s.SignOut(ctx, c.Old); err != nil {
		return "", Account{}, err
	}
	return s.beginSession(ctx, u)
}

func (s *Service) beginSession(ctx context.Context, u User) (string, Account, error) {
	token := base64.RawURLEncoding.EncodeToString(random(sessionLen))
	now := s.now()
	row := Session{Hash: sessionHash(token), User: u.Name, Expires: now.Add(SessionTTL)}
	if err := s.storage.AddSession(ctx, row, now, sessionsPerUser); err != nil {
		return "", Account{}, fmt.Errorf("storing the session: %w", err)
	}
	return token, Account{Name: u.Name, Role: u.Role}, nil
}

// Session tells whose session a token is, or returns ErrUnauthenticated.
func (s *Service) Session(ctx context.Context, token string) (Account, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(sessionLen) {
		return Account{}, ErrUnauthenticated
	}
	row, err := s.storage.Session(ctx, sessionHash(token))
	if errors.Is(err, ErrNotFound) || err == nil && !s.now().Before(row.Expires) {
		return Account{}, ErrUnauthenticated
	}
	if err != nil {
		return Account{}, fmt.Errorf("looking up the session: %w", err)
	}
	u, err := s.account(ctx, row.User)
	return Account{Name: u.Name, Role: u.Role}, err
}

// SignOut ends a session; an unknown or empty token is none.
func (s *Service) SignOut(ctx context.Context, token string) error {
	if token == "" {
		return nil
	}
	if err := s.storage.RemoveSession(ctx, sessionHash(token)); err != nil {
		return fmt.Errorf("ending the session: %w", err)
	}
	return nil
}

func sessionHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
