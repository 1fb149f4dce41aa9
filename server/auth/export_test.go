package auth

import "time"

// SetClock makes the service believe another time.
func (s *Service) SetClock(now func() time.Time) { s.now = now }

// Secret lends tests the signing secret, to forge with.
func (s *Service) Secret() []byte { return s.secret }
