package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Config is what a Service needs.
type Config struct {
	Storage Storage
	Open    bool         // anyone may publish
	Log     *slog.Logger // nil for none
}

// Service is the Checker of the server, and keeps its users, stream keys,
// tokens and sessions. All its methods may be called from anywhere.
type Service struct {
	// set at construction
	storage    Storage
	open       bool
	log        *slog.Logger
	secret     []byte // signs the tokens
	sealer     *sealer
	hasher     *hasher
	accounts   *attempts
	addresses  *attempts
	unreadable *attempts // log lines, by stream
	now        func() time.Time
}

// New reads or makes the signing secret. It starts nothing.
func New(ctx context.Context, cfg Config) (*Service, error) {
	secret, err := cfg.Storage.SecretOnce(ctx, secretSigning, random(secretLen))
	if err != nil {
		return nil, fmt.Errorf("reading the signing secret: %w", err)
	}
	if len(secret) < secretLen {
		return nil, fmt.Errorf("the signing secret has %d bytes, it needs %d", len(secret), secretLen)
	}
	seals, err := newSealer(secret)
	if err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		storage:    cfg.Storage,
		open:       cfg.Open,
		log:        log,
		secret:     secret,
		sealer:     seals,
		hasher:     newHasher(),
		accounts:   newAttempts(accountAttempts),
		addresses:  newAttempts(addressAttempts),
		unreadable: newAttempts(1),
		now:        time.Now,
	}, nil
}

// Open tells whether anyone may publish.
func (s *Service) Open() bool { return s.open }

// principal is who a credential proved to be.
type principal struct {
	subject string
	role    Role      // of a user
	action  Action    // of a token or key: what it allows
	stream  string    // of a token or key: where
	expires time.Time // of a token
}

// may tells whether the credential itself allows the request.
func (p principal) may(r Request) bool {
	if p.role != "" {
		least := Viewer
		if r.Action == Publish {
			least = Publisher
		}
		return p.role.Includes(least)
	}
	// Who may feed a stream may also look at it.
	return p.stream == r.Stream && (p.action == r.Action || p.action == Publish)
}

// Check implements Checker. A credential that is given must be right even
// where none is needed; a right one never allows less than none would.
func (s *Service) Check(ctx context.Context, r Request) (Grant, error) {
	if !ValidName(r.Stream) {
		return Grant{}, ErrName
	}
	if r.Action != Publish && r.Action != Watch {
		return Grant{}, ErrDenied
	}
	p, err := s.identify(ctx, r)
	known := err == nil
	if err != nil && !errors.Is(err, errNobody) {
		return Grant{}, err
	}
	g := Grant{action: r.Action, stream: r.Stream, subject: p.subject}
	if known && p.may(r) {
		g.expires = p.expires
		return g, nil
	}
	public, err := s.public(ctx, r)
	switch {
	case err != nil:
		return Grant{}, err
	case public:
		return g, nil
	case known:
		return Grant{}, ErrDenied
	}
	return Grant{}, ErrUnauthenticated
}

// errNobody says that no credential was given.
var errNobody = errors.New("nobody")

// identify finds out who asks by the most explicit credential given.
func (s *Service) identify(ctx context.Context, r Request) (principal, error) {
	switch {
	case r.Token != "":
		return s.bearer(ctx, r.Token, r.Addr)
	case r.User != "" || r.Pass != "":
		u, err := s.password(ctx, r.User, r.Pass, r.Addr)
		return principal{subject: "user:" + u.Name, role: u.Role}, err
	case r.Account != "":
		u, err := s.account(ctx, r.Account)
		return principal{subject: "user:" + u.Name, role: u.Role}, err
	}
	return principal{}, errNobody
}

// public tells whether anybody may do it.
func (s *Service) public(ctx context.Context, r Request) (bool, error) {
	if r.Action == Publish {
		return s.open, nil
	}
	k, err := s.storage.KeyOf(ctx, r.Stream)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking up the stream: %w", err)
	}
	return !k.Private, nil
}
