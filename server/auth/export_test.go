package auth

import (
	"context"
	"time"
)

// SetClock makes the service believe another time.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// Secret lends tests the signing secret, to forge with.
func (s *Service) Secret() []byte { return s.secret }

// HashForTests makes a stored hash.
func HashForTests(password string) (string, error) {
	return newHasher().hash(context.Background(), password)
}
