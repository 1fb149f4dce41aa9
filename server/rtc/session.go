package rtc

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Limits of sessions, publications and viewings together.
const (
	maxPerSubject = 8
	maxPerAddress = 1000 // a school may be behind one address
	maxConnecting = 64   // of one address that have yet to connect: they cost memory and prove nothing
	maxPatches    = 5    // a second for one session
	patchBurst    = 20
)

// endpoint is what a session stands for: a publisher or a viewer.
type endpoint interface {
	Close(reason error)
	Done() <-chan struct{}
	Reason() error
	AfterEnd(f func()) // f runs once, on a goroutine of its own, when the endpoint has ended
	transport
}

// transport is the connection under an endpoint. A restart takes it to another
// path (RFC 8445 section 9).
type transport interface {
	Connected() bool // by DTLS: the client is who made the offer, and is where it says
	Restart(o *offer.Offer) (answer string, err error)
	RestartICE(client lite.Credentials) (lite.Credentials, error)
}

// session is one publication or viewing, through whichever door it came.
type session struct {
	// set at construction
	id      string // not guessable: who knows it and is the same principal may end it
	proto   string
	grant   auth.Grant
	addr    netip.Addr
	patches *rate.Limiter
	media   endpoint
	lease   *lease // of ICE credentials

	// guard themselves
	ice  iceState
	seat seat
}

// newSession names a session of what an offer asked for.
func (s *Server) newSession(r request, o *offer.Offer, media endpoint) *session {
	e := &session{
		id: rand.Text(), proto: r.proto, grant: r.grant, addr: r.addr.Addr(), media: media,
		patches: rate.NewLimiter(maxPatches, patchBurst),
	}
	e.ice.begin(o)
	if r.channel != nil {
		e.seat.channel, e.seat.name = r.channel, r.name
		e.lease = r.channel.lease.share()
	} else {
		e.lease = newLease(s.cfg.ICE)
	}
	return e
}

// registry holds the sessions of all doors and counts them by principal.
type registry struct {
	// set at construction
	ended sync.WaitGroup // one for each session; no Add unless open

	// guarded by mu
	mu        sync.Mutex
	running   bool
	sessions  map[string]*session
	hungUp    map[string]*session // publishers that closed their connection and may yet say that this was the end
	subjects  map[string]int
	addresses map[netip.Addr]int
}

func newRegistry() *registry {
	return &registry{sessions: map[string]*session{}, hungUp: map[string]*session{}, subjects: map[string]int{}, addresses: map[netip.Addr]int{}}
}

func (r *registry) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = true
}

func (r *registry) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sessions)
}

// reserve makes room for a session before anything is allocated for it. It
// returns hub.ErrShutdown or ErrTooMany; otherwise release must be called once.
// A session whose client may come back is no match for a client that is here:
// the page may have been loaded again.
func (r *registry) reserve(subject string, addr netip.Addr) (release func(), err error) {
	key, limited := limitKey(addr)
	var left *session
	defer func() {
		if left != nil { // not while mu is held
			left.media.Close(ErrLost)
		}
	}()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.running {
		return nil, hub.ErrShutdown
	}
	ofSubject, ofAddress := subject != "" && r.subjects[subject] >= maxPerSubject, limited && r.crowded(key)
	if ofSubject || ofAddress {
		left = r.leftBehind(func(s *session) bool {
			k, _ := limitKey(s.addr)
			return (!ofSubject || s.grant.Subject() == subject) && (!ofAddress || k == key)
		})
		if left == nil {
			return nil, ErrTooMany
		}
	}
	r.subjects[subject]++
	r.addresses[key]++
	r.ended.Add(1)
	return func() { r.release(subject, key) }, nil
}

// crowded tells whether an address has all the sessions that it may have; mu is
// held. The sessions are only looked through when there are many.
func (r *registry) crowded(key netip.Addr) bool {
	n := r.addresses[key]
	if n < maxConnecting || n >= maxPerAddress {
		return n >= maxPerAddress
	}
	for _, s := range r.sessions {
		if k, _ := limitKey(s.addr); k == key && s.media.Connected() {
			n--
		}
	}
	return n >= maxConnecting
}

// leftBehind returns one of the sessions that match and that no client holds any
// more; each one once, nil for none. mu is held.
func (r *registry) leftBehind(match func(*session) bool) *session {
	for _, s := range r.sessions {
		if match(s) && s.seat.giveUp() {
			return s
		}
	}
	return nil
}

func (r *registry) release(subject string, key netip.Addr) {
	r.mu.Lock()
	if r.subjects[subject]--; r.subjects[subject] == 0 {
		delete(r.subjects, subject)
	}
	if r.addresses[key]--; r.addresses[key] == 0 {
		delete(r.addresses, key)
	}
	r.mu.Unlock()
	r.ended.Done()
}

func (r *registry) add(s *session) {
	r.mu.Lock()
	r.sessions[s.id] = s
	running := r.running
	r.mu.Unlock()
	if !running { // shut down between reserve and here
		s.media.Close(hub.ErrShutdown)
	}
}

func (r *registry) remove(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s.id)
}

// find returns a session by its id, nil when there is none.
func (r *registry) find(id string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sessions[id]
}

// get returns a session of a door that belongs to a principal and stream.
func (r *registry) get(id, proto string, g auth.Grant) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.sessions[id]; s != nil && s.belongs(proto, g) {
		return s, nil
	}
	return nil, ErrNoSession
}

func (s *session) belongs(proto string, g auth.Grant) bool {
	return s.proto == proto && s.grant.Stream() == g.Stream() && s.grant.Subject() == g.Subject()
}

// linger remembers a publisher that closed its connection for as long as its
// stream waits: encoders close first and only then say, with DELETE, that they
// have ended and are not lost.
func (r *registry) linger(s *session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hungUp[s.id] = s
	time.AfterFunc(hub.DefaultGrace, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.hungUp, s.id)
	})
}

// takeHungUp returns, once, what linger remembered.
func (r *registry) takeHungUp(id, proto string, g auth.Grant) (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hungUp[id]
	if s == nil || !s.belongs(proto, g) {
		return nil, ErrNoSession
	}
	delete(r.hungUp, id)
	return s, nil
}

// known tells whether a session is there, for whoever has its whole URL.
func (r *registry) known(id, proto, stream string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sessions[id]
	return s != nil && s.proto == proto && s.grant.Stream() == stream
}

// shutdown closes every session and returns when all have ended.
func (r *registry) shutdown(reason error) {
	r.mu.Lock()
	r.running = false
	all := make([]*session, 0, len(r.sessions))
	for _, s := range r.sessions {
		all = append(all, s)
	}
	r.mu.Unlock()
	for _, s := range all {
		s.media.Close(reason)
	}
	r.ended.Wait()
}

// expire has the session closed when its grant ends. The timer is to be
// stopped when the session has ended otherwise; nil for a grant without end.
func (s *session) expire() *time.Timer {
	end := s.grant.Expires()
	if end.IsZero() {
		return nil
	}
	return time.AfterFunc(time.Until(end), func() { s.media.Close(ErrExpired) })
}
