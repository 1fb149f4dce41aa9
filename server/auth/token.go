package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	secretSigning = "token-signing"
	secretLen     = 32 // bytes
	audience      = "heliograph"
	maxToken      = 4 << 10 // bytes
	maxSubject    = 64      // bytes
)

// ErrTTL is returned for a token that would end before it begins.
var ErrTTL = errors.New("a token needs a time to live above zero, like 24h")

// claims are what a token says: RFC 7519, and action and stream of our own.
type claims struct {
	jwt.RegisteredClaims
	Action Action `json:"action"`
	Stream string `json:"stream"`
}

// Validate implements jwt.ClaimsValidator.
func (c claims) Validate() error {
	if c.Action != Publish && c.Action != Watch {
		return errors.New("unknown action")
	}
	if !ValidName(c.Stream) {
		return ErrName
	}
	if c.Subject == "" || len(c.Subject) > maxSubject {
		return errors.New("no subject, or too long a one")
	}
	return nil
}

// NewToken makes a JWT that allows one action on one stream for a while. It
// returns ErrName, ErrDenied for an unknown action, or ErrTTL.
func (s *Service) NewToken(a Action, stream string, ttl time.Duration) (string, error) {
	now := s.now()
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   base64.RawURLEncoding.EncodeToString(random(12)),
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Action: a,
		Stream: stream,
	}
	switch {
	case !ValidName(stream):
		return "", ErrName
	case a != Publish && a != Watch:
		return "", fmt.Errorf("%w: an action is publish or watch, not %q", ErrDenied, a)
	case ttl <= 0:
		return "", ErrTTL
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(s.secret)
}

// readToken checks a JWT as RFC 8725 wants it: one algorithm for the key, an
// end, an audience. Whatever is wrong, the answer is ErrUnauthenticated.
func (s *Service) readToken(token string) (principal, error) {
	var c claims
	_, err := jwt.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.secret, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(),
		jwt.WithAudience(audience),
		jwt.WithTimeFunc(s.now),
		jwt.WithStrictDecoding())
	if err != nil {
		return principal{}, ErrUnauthenticated
	}
	return principal{
		subject: "token:" + c.Subject,
		action:  c.Action,
		stream:  c.Stream,
		expires: c.ExpiresAt.Time,
	}, nil
}
