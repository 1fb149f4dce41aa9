package auth

import (
	"context"
	"errors"
	"time"
)

// What a Storage answers when a row is missing or in the way.
var (
	ErrNotFound = errors.New("there is no such entry")
	ErrExists   = errors.New("there is such an entry already")
)

// User is one person's account.
type User struct {
	Name    string // unique without regard to case
	Hash    string // argon2id in the PHC string format
	Role    Role
	Enabled bool
}

// Key is the one stream key of a stream: its hash, by which a key that is sent
// is found, and itself sealed, for those that are only proven.
type Key struct {
	Stream  string
	Hash    []byte // SHA-256
	Sealed  []byte // nil for a key of a version that kept the hash alone
	Private bool   // watching the stream needs a key, a token or a sign-in too
}

// Session is one sign-in of a browser; only the hash of its token is kept.
type Session struct {
	Hash    []byte // SHA-256
	User    string
	Expires time.Time
}

// Users reads the accounts.
type Users interface {
	// User finds a name without regard to case, or returns ErrNotFound.
	User(ctx context.Context, name string) (User, error)
	// HasAdmin tells whether there is an enabled one.
	HasAdmin(ctx context.Context) (bool, error)
	// Users lists all by name.
	Users(ctx context.Context) ([]User, error)
}

// UserChanges writes the accounts.
type UserChanges interface {
	// AddUser returns ErrExists when the name is taken.
	AddUser(ctx context.Context, u User) error
	// AddFirstAdmin returns ErrExists when there is an enabled admin, or the name
	// is taken; a race has one winner.
	AddFirstAdmin(ctx context.Context, u User) error
	// PutUsers adds or replaces all or none, and ends the sessions of those replaced.
	PutUsers(ctx context.Context, us []User) error
	// RemoveUser ends the user's sessions too, or returns ErrNotFound.
	RemoveUser(ctx context.Context, name string) error
}

// Keys keeps the stream keys.
type Keys interface {
	// PutKey replaces the key of its stream.
	PutKey(ctx context.Context, k Key) error
	// KeyOf returns the key of a stream, or ErrNotFound.
	KeyOf(ctx context.Context, stream string) (Key, error)
	// KeyByHash returns the key with that hash, or ErrNotFound.
	KeyByHash(ctx context.Context, hash []byte) (Key, error)
	// PrivateStreams names the streams whose key is marked private.
	PrivateStreams(ctx context.Context) ([]string, error)
}

// Sessions keeps the sign-ins.
type Sessions interface {
	// AddSession removes what expired before now, and the oldest beyond most for the user.
	AddSession(ctx context.Context, s Session, now time.Time, most int) error
	// Session returns the session with that hash, or ErrNotFound.
	Session(ctx context.Context, hash []byte) (Session, error)
	// RemoveSession succeeds too when there is none.
	RemoveSession(ctx context.Context, hash []byte) error
}

// Secrets keeps a few values by name.
type Secrets interface {
	// Secret returns the value, or ErrNotFound.
	Secret(ctx context.Context, name string) ([]byte, error)
	// SecretOnce stores the value if there is none, and returns what is stored.
	SecretOnce(ctx context.Context, name string, value []byte) ([]byte, error)
	// PutSecret replaces the value; nil removes it.
	PutSecret(ctx context.Context, name string, value []byte) error
}

// Storage is all that this package needs to remember.
type Storage interface {
	Users
	UserChanges
	Keys
	Sessions
	Secrets
}
