// Package auth decides who may publish, watch and administer. It makes grants,
// the values without which the hub lets nobody in, and knows no media.
package auth

import (
	"context"
	"errors"
	"net/netip"
	"regexp"
	"time"
)

// Action is what a grant allows.
type Action string

// The actions.
const (
	Publish Action = "publish"
	Watch   Action = "watch"
)

// The ways a check ends badly; test with errors.Is.
var (
	ErrUnauthenticated = errors.New("no valid key, token or sign-in was given")
	ErrDenied          = errors.New("this key, token or user does not allow it")
	ErrThrottled       = errors.New("too many failed attempts, wait a minute and try again")
	ErrName            = errors.New("a stream's name is 1 to 64 of A-Z a-z 0-9 . _ ~ - and begins with a letter or digit")
)

var streamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$`)

// ValidName tells whether s may name a stream.
func ValidName(s string) bool { return streamName.MatchString(s) }

// Request is what a door knows about somebody who asks for something.
type Request struct {
	Action  Action
	Stream  string
	Token   string // bearer token or stream key, "" if none
	User    string // user and password, where the protocol has them
	Pass    string
	Account string // name of the signed-in user, set only by the web session
	Proto   string // "whip", "whep", "ws", "rtmp", ...
	Addr    netip.Addr
}

// Checker turns a request into a grant or says why not.
type Checker interface {
	// Check returns ErrName, ErrUnauthenticated, ErrDenied or ErrThrottled.
	Check(ctx context.Context, r Request) (Grant, error)
}

// Grant is permission to do one action on one stream. Only this package can
// make one that is not zero, and the hub refuses the zero grant.
type Grant struct {
	action  Action
	stream  string
	subject string
	expires time.Time
}

// Action returns what the grant allows.
func (g Grant) Action() Action { return g.action }

// Stream returns the stream's name.
func (g Grant) Stream() string { return g.stream }

// Subject names who holds the grant: "user:ada", "key:harbour", "token:ID", or
// "" for anybody. Two grants of one subject belong to the same principal.
func (g Grant) Subject() string { return g.subject }

// Expires returns when the grant ends; the zero time means never.
func (g Grant) Expires() time.Time { return g.expires }

// System tells whether the holder is the server itself, and no person.
func (g Grant) System() bool { return g.subject == systemSubject }

// Allows tells whether the grant is for action a and still holds at t.
func (g Grant) Allows(a Action, t time.Time) bool {
	return g.action == a && g.stream != "" && (g.expires.IsZero() || t.Before(g.expires))
}

const systemSubject = "system"

// System returns a grant for what the operator configured: sources to pull,
// and tests. The arch test names the packages that may call it.
func System(a Action, stream string) Grant {
	return Grant{action: a, stream: stream, subject: systemSubject}
}
