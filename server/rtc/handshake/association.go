package handshake

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/srtp/v3"
)

// Owner is the session that an association secures.
type Owner interface {
	// Send puts one datagram on its way to where the client is; nowhere while
	// that is not known. It must not block.
	Send(b []byte)
	// Secured gives the keys of SRTP, of what comes in and of what goes out, once.
	Secured(in *srtp.Context, out *seal.Sealer)
	// Close ends the session with one of this package's errors, wrapped. It
	// calls the association's Close.
	Close(reason error)
}

// Association is DTLS of one session: handshakes until one succeeds, then
// nothing but what is kept of it.
type Association struct {
	// set at construction
	desk  *Desk
	owner Owner
	print offer.Fingerprint // of the client's certificate

	// guarded by mu
	mu      sync.Mutex
	attempt *attempt // that waits or is under way
	tries   int
	settled *settled // nil until a handshake has succeeded
	ended   bool

	// atomic
	unproven atomic.Int64 // bytes sent by handshakes
}

// Open makes the association of a session whose client has to show the
// certificate with this fingerprint.
func (d *Desk) Open(o Owner, f offer.Fingerprint) *Association {
	return &Association{desk: d, owner: o, print: f}
}

// Fingerprint is that of the certificate that the client has to show.
func (a *Association) Fingerprint() offer.Fingerprint { return a.print }

// Connected tells whether a handshake has succeeded.
func (a *Association) Connected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.settled != nil
}

// Receive takes a datagram of DTLS. It must come from an address that has
// proved to know the ICE password: so a hello from elsewhere, however early,
// gets nowhere near a handshake.
func (a *Association) Receive(b []byte, from netip.AddrPort) {
	switch s := a.take(b, from); {
	case s == nil:
	case s.farewell(b):
		a.owner.Close(ErrHungUp)
	case s.repeats(b, time.Now()):
		a.owner.Send(s.flight)
	}
}

// take returns what is left of the handshakes, or gives the datagram to the one
// that is under way or begins with it.
func (a *Association) take(b []byte, from netip.AddrPort) *settled {
	a.mu.Lock()
	defer a.mu.Unlock() // also when a peer's bytes cause a panic
	if a.settled == nil {
		a.shake(b, from)
	}
	return a.settled
}

// shake puts a datagram to the session's handshake and begins one with a
// hello; mu is held. All addresses that have passed a check count alike, for a
// client may change its path at any time. Who has merely overheard a check and
// repeats it from elsewhere can spoil a handshake, as anybody can who sees the
// packets; it fails, and the client's next hello begins another.
func (a *Association) shake(b []byte, from netip.AddrPort) {
	if a.attempt != nil {
		a.attempt.pipe.put(b)
		return
	}
	if a.ended || a.tries == maxTries || !isHello(b) {
		return
	}
	next := &attempt{association: a, pipe: newPipe(a.send), network: a.desk.network(from)}
	next.pipe.put(b)
	if a.desk.enter(next) {
		a.attempt = next
		a.tries++
	}
}

// send puts a datagram of a handshake on its way, unless there have been so many
// that it may be a stranger who gets them.
func (a *Association) send(b []byte) {
	if a.unproven.Add(int64(len(b))) <= maxUnproven {
		a.owner.Send(b)
	}
}

// handshake runs one attempt to its end. A session outlives a failure, until
// it has had all its tries or took too long to connect.
func (a *Association) handshake(ctx context.Context, t *attempt) {
	defer func() {
		if fault := recover(); fault != nil {
			a.desk.log.Error("a fault in a handshake", "panic", fault)
			a.owner.Close(errFault)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, a.desk.limit)
	defer cancel()
	err := a.secure(ctx, t.pipe)
	if err == nil {
		a.desk.count.done.Inc()
		return
	}
	if last := a.failed(t, err); last {
		a.owner.Close(err)
	}
}

// failed makes room for another attempt and tells whether there is to be none.
// One that the desk broke off was no try of the client's.
func (a *Association) failed(t *attempt, err error) (last bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.attempt = nil
	if a.ended { // which broke it off
		return false
	}
	a.desk.count.failed.Inc()
	a.desk.log.Debug("a handshake failed", "err", err)
	if t.brokenOff.Load() {
		a.tries--
	}
	return a.tries == maxTries || errors.Is(err, ErrFingerprint) || errors.Is(err, errProfile)
}

// settle ends the handshakes. It returns an alert that came meanwhile, and
// false when the session was closed.
func (a *Association) settle(s *settled, p *pipe) (alert []byte, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return nil, false
	}
	a.settled, a.attempt = s, nil
	return p.alert, true
}

// Close breaks off a handshake and says goodbye to a client that was
// connected. The owner must not have forgotten yet where that is.
func (a *Association) Close() {
	a.mu.Lock()
	t, s, again := a.attempt, a.settled, a.ended
	a.ended = true
	a.mu.Unlock()
	if again {
		return
	}
	if t != nil {
		_ = t.pipe.Close()
		a.desk.leave(t)
	}
	if s != nil {
		a.goodbye(s)
	}
}

// goodbye tells a client that its session has ended.
func (a *Association) goodbye(s *settled) {
	if s.goodbye != nil {
		a.owner.Send(s.goodbye)
	}
}
