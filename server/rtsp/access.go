package rtsp

import (
	"context"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"github.com/heliograph/heliograph/server/auth"
)

const (
	maxFailures = 3   // refused requests of one connection
	maxRequests = 50  // of one connection in a second
	maxBasics   = 256 // clients remembered
	basicTime   = 5 * time.Minute
	requestTime = 10 * time.Second // to answer a request
	proto       = "rtsp"
)

// Checker says who may do what.
type Checker interface {
	auth.Checker
	// CheckProof is Check for a client that proves a stream's key.
	CheckProof(ctx context.Context, r auth.Request, proves func(secret string) bool) (auth.Grant, error)
	// Key returns a stream's key; ok is false for a stream whose key nobody can
	// prove.
	Key(ctx context.Context, stream string) (key string, ok bool, err error)
}

// client is what is known of one connection.
type client struct {
	// set at construction
	guard *guard
	addr  netip.Addr
	peer  string

	// owned by the goroutine of the connection, which waits while its session
	// answers a request
	nonce    string // of the last challenge
	failures int
	second   time.Time
	requests int // in that second
	grant    auth.Grant
	watching *player // described, and not set up yet
}

// allow counts a request and tells whether it is within the limit.
func (c *client) allow(now time.Time) bool {
	if now.Sub(c.second) >= time.Second {
		c.second, c.requests = now, 0
	}
	c.requests++
	return c.requests <= maxRequests
}

// asked is what a request wants.
type asked struct {
	action auth.Action
	stream string
	query  string
	req    *base.Request
}

// authorize returns the grant for a request. Who needs no credentials is not
// asked for them, and who has shown them on this connection not again.
func (s *Server) authorize(ctx context.Context, c *client, a asked) (auth.Grant, error) {
	if c.grant.Stream() == a.stream && c.grant.Allows(a.action, time.Now()) {
		return c.grant, nil
	}
	g, err := s.check(ctx, c, a)
	if err == nil {
		c.grant = g
	}
	return g, err
}

func (s *Server) check(ctx context.Context, c *client, a asked) (auth.Grant, error) {
	cred := credentialsOf(a.req.Header["Authorization"], a.query)
	r := auth.Request{
		Action: a.action, Stream: a.stream, Token: cred.token, User: cred.user, Pass: cred.pass, Proto: proto, Addr: c.addr,
	}
	if d := cred.digest; d != nil {
		if c.nonce == "" || d.Nonce != c.nonce || d.Realm != realm {
			return auth.Grant{}, errStale
		}
		if streamOf(d.URI) != a.stream {
			return auth.Grant{}, auth.ErrUnauthenticated
		}
		g, err := s.cfg.Checker.CheckProof(ctx, r, func(secret string) bool { return proves(d, a.req.Method, secret) })
		if errors.Is(err, auth.ErrUnauthenticated) {
			s.basics.add(c.addr, a.stream)
			err = errProof
		}
		return g, err
	}
	g, err := s.cfg.Checker.Check(ctx, r)
	if errors.Is(err, auth.ErrUnauthenticated) && cred.none() {
		return g, errChallenge
	}
	return g, err
}

// challenge asks for credentials with a nonce that nobody had before and that
// holds for this connection only: a response that was overheard is worth
// nothing.
func (s *Server) challenge(c *client, stream string, stale bool) base.HeaderValue {
	c.nonce = rand.Text()
	digests := !c.guard.secure && !s.basics.has(c.addr, stream) && s.provable(stream)
	return challenge(c.nonce, digests, stale)
}

// provable tells whether Digest could succeed for a stream. Where it could not
// it is not offered, because most clients take it wherever it is, and an
// account's first try would fail. The price is that a stranger learns which
// streams have a key.
func (s *Server) provable(stream string) bool {
	ctx, cancel := s.within()
	defer cancel()
	_, ok, err := s.cfg.Checker.Key(ctx, stream)
	return ok || err != nil
}

// streamOf returns the stream's name in a path or an address, which may have
// the control name of a track behind it.
func streamOf(uri string) string {
	if u, err := base.ParseURL(uri); err == nil {
		uri = u.Path
	}
	name, _, _ := strings.Cut(strings.TrimPrefix(uri, "/"), "/")
	name, _, _ = strings.Cut(name, "?")
	return name
}

// basics remembers for which clients Digest has failed. An account can sign in
// with Basic only, but ffmpeg and others take Digest whenever it is offered; so
// their next attempt is offered Basic alone.
type basics struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (b *basics) add(addr netip.Addr, stream string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.until) >= maxBasics {
		clear(b.until)
	}
	b.until[addr.String()+" "+stream] = time.Now().Add(basicTime)
}

func (b *basics) has(addr netip.Addr, stream string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Now().Before(b.until[addr.String()+" "+stream])
}
