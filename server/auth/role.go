package auth

import (
	"errors"
	"fmt"
	"strings"
)

// Role is what a user may do in general; each role includes those before it.
type Role string

// The roles, from least to most.
const (
	Viewer    Role = "viewer"    // watch private streams
	Publisher Role = "publisher" // publish under any name
	Moderator Role = "moderator" // keep order among the viewers
	Admin     Role = "admin"     // everything
)

// ErrRole is returned for a role that does not exist.
var ErrRole = errors.New("a role is one of viewer, publisher, moderator and admin")

// rank orders the roles; 0 is no role at all.
func (r Role) rank() int {
	switch r {
	case Viewer:
		return 1
	case Publisher:
		return 2
	case Moderator:
		return 3
	case Admin:
		return 4
	}
	return 0
}

// Includes tells whether r may do what least may do. An unknown role includes nothing.
func (r Role) Includes(least Role) bool {
	return least.rank() > 0 && r.rank() >= least.rank()
}

// ParseRole reads a role in any case, also as ROLE_ADMIN, the way user files of
// Java servers write it. It returns ErrRole.
func ParseRole(s string) (Role, error) {
	r := Role(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(s)), "role_"))
	if r.rank() == 0 {
		return "", fmt.Errorf("%w, not %q", ErrRole, s)
	}
	return r, nil
}
