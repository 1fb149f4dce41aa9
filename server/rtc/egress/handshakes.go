package egress

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/limit"
)

// Bounds of DTLS handshakes. One costs about 50 kB while it lasts.
const (
	handshakeTime     = 10 * time.Second
	maxHandshakes     = 512 // under way
	maxWaiting        = 512 // for their start
	maxHandshakesNear = 32  // of one network, waiting ones included
	maxTries          = 4   // of one viewer
)

// handshakes starts the handshakes of all viewers in the order in which they
// said hello, as many at once as there is room for. A client whose hello finds
// no room repeats it by itself.
type handshakes struct {
	// set at construction
	wake  chan struct{}
	own   []netip.Addr // of this server
	limit time.Duration
	count handshakeCounters

	// guarded by mu
	mu      sync.Mutex
	running int
	near    map[netip.Addr]int
	waiting []*attempt
}

// handshakeCounters are what handshakes count.
type handshakeCounters struct{ done, failed, refused *metric.Counter }

// attempt is one handshake of a viewer.
type attempt struct {
	viewer  *Viewer
	pipe    *pipe
	network netip.Addr // from which hello came; the zero Addr when it is not limited
}

func newHandshakes(announced []netip.AddrPort, r *metric.Registry) *handshakes {
	h := &handshakes{
		wake: make(chan struct{}, 1), limit: handshakeTime, near: map[netip.Addr]int{},
		count: handshakeCounters{
			done:    r.Counter("heliograph_egress_handshakes_total", "DTLS handshakes of viewers that succeeded."),
			failed:  r.Counter("heliograph_egress_failed_handshakes_total", "DTLS handshakes of viewers that failed or took too long."),
			refused: r.Counter("heliograph_egress_refused_handshakes_total", "DTLS hellos of viewers that found no room."),
		},
	}
	for _, a := range announced {
		h.own = append(h.own, a.Addr())
	}
	return h
}

// network returns under what a client's handshakes are counted. Not limited
// are this machine and those that come by the relay, which have its address
// and limits of their own.
func (h *handshakes) network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.IsLoopback() || slices.Contains(h.own, a) {
		return netip.Addr{}
	}
	return limit.Network(a)
}

// enter has a handshake wait for its start; false when there is no room.
func (h *handshakes) enter(a *attempt) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == maxWaiting || a.network.IsValid() && h.near[a.network] == maxHandshakesNear {
		h.count.refused.Inc()
		return false
	}
	h.waiting = append(h.waiting, a)
	if a.network.IsValid() {
		h.near[a.network]++
	}
	h.rouse()
	return true
}

func (h *handshakes) rouse() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// start begins the handshakes for which there is room; each ends with ctx.
func (h *handshakes) start(ctx context.Context, running *sync.WaitGroup) {
	for a := h.next(); a != nil; a = h.next() {
		running.Go(func() {
			defer h.ended(a)
			a.viewer.handshake(ctx, a)
		})
	}
}

func (h *handshakes) next() *attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.waiting) == 0 || h.running == maxHandshakes {
		return nil
	}
	a := h.waiting[0]
	h.waiting = slices.Delete(h.waiting, 0, 1)
	h.running++
	return a
}

func (h *handshakes) ended(a *attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running--
	h.forget(a)
	h.rouse()
}

// leave takes a handshake from the queue, if it still waits there.
func (h *handshakes) leave(a *attempt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.waiting, a); i >= 0 {
		h.waiting = slices.Delete(h.waiting, i, i+1)
		h.forget(a)
	}
}

// forget gives a network its place back; mu is held.
func (h *handshakes) forget(a *attempt) {
	if !a.network.IsValid() {
		return
	}
	if h.near[a.network]--; h.near[a.network] == 0 {
		delete(h.near, a.network)
	}
}

// association is DTLS of one viewer: handshakes until one succeeds, then
// nothing but what is kept of it.
type association struct {
	// guarded by mu
	mu      sync.Mutex
	attempt *attempt // that waits or is under way
	tries   int
	settled *settled // nil until a handshake has succeeded
	ended   bool
}

func (d *association) connected() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settled != nil
}

// record takes a datagram of DTLS. It comes from an address that has proved
// to know the ICE password: a hello from elsewhere, however early, gets
// nowhere near a handshake.
func (v *Viewer) record(b []byte, from netip.AddrPort) {
	d := &v.dtls
	d.mu.Lock()
	s := d.settled
	if s == nil {
		v.shake(b, from)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	if s.farewell(b) {
		v.Close(ErrHungUp)
	} else if to := v.to.Load(); to != nil && s.repeats(b, time.Now()) {
		v.engine.send(s.flight, *to)
	}
}

// shake puts a datagram to the viewer's handshake and begins one with a hello;
// dtls.mu is held. All addresses that have passed a check count alike, for a
// client may change its path at any time. Who has merely overheard a check and
// repeats it from elsewhere can spoil a handshake, as anybody can who sees the
// packets; it fails, and the client's next hello begins another.
func (v *Viewer) shake(b []byte, from netip.AddrPort) {
	d := &v.dtls
	if d.attempt == nil {
		if d.ended || d.tries == maxTries || !isHello(b) {
			return
		}
		a := &attempt{viewer: v, pipe: newPipe(v), network: v.engine.handshakes.network(from.Addr())}
		a.pipe.put(b)
		if v.engine.handshakes.enter(a) {
			d.attempt = a
			d.tries++
		}
		return
	}
	d.attempt.pipe.put(b)
}

// handshake runs one attempt to its end. A viewer outlives a failure, until it
// has had all its tries or took too long to connect.
func (v *Viewer) handshake(ctx context.Context, a *attempt) {
	defer func() {
		if fault := recover(); fault != nil {
			v.engine.count.faults.Inc()
			v.engine.log.Error("viewer's handshake", "panic", fault)
			v.Close(ErrFault)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, v.engine.handshakes.limit)
	defer cancel()
	err := v.secure(ctx, a)
	if err == nil {
		v.engine.handshakes.count.done.Inc()
		return
	}
	if v.Reason() != nil { // which broke it off
		return
	}
	v.engine.handshakes.count.failed.Inc()
	v.engine.log.Debug("a viewer's handshake failed", "err", err)
	if v.dtls.failed() || errors.Is(err, ErrFingerprint) || errors.Is(err, errProfile) {
		v.Close(err)
	}
}

// failed makes room for another attempt and tells whether there is to be none.
func (d *association) failed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attempt = nil
	return d.tries == maxTries
}

// settle ends the handshakes. It returns an alert that came meanwhile, and
// false when the viewer was closed.
func (d *association) settle(s *settled, p *pipe) (alert []byte, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ended {
		return nil, false
	}
	d.settled, d.attempt = s, nil
	return p.alert, true
}

// close ends a viewer's DTLS: a handshake is broken off, and a client that
// was connected is told.
func (d *association) close(v *Viewer) {
	d.mu.Lock()
	a, s := d.attempt, d.settled
	d.ended = true
	d.mu.Unlock()
	if a != nil {
		_ = a.pipe.Close()
		v.engine.handshakes.leave(a)
	}
	if s != nil {
		v.goodbye(s)
	}
}

// goodbye tells a client that its viewer has ended.
func (v *Viewer) goodbye(s *settled) {
	if to := v.to.Load(); to != nil && s.goodbye != nil {
		v.engine.send(s.goodbye, *to)
	}
}
