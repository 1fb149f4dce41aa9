package port

import (
	"errors"
	"net"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/heliograph/heliograph/server/port/udp"
)

// reader is the state of the goroutine that reads one socket.
type reader struct {
	// set at construction
	port   *Port
	socket *udp.Socket
	// owned by run
	answer [bindingSize]byte
	routes *udp.Routes
	busy   *session // whose Receiver is running
	media  uint64   // datagrams of media that are not counted yet
}

func newReader(p *Port, s *udp.Socket) *reader {
	return &reader{port: p, socket: s, routes: udp.NewRoutes()}
}

// run reads the socket until it is closed.
func (r *reader) run() error {
	in := udp.NewReader(r.socket, r)
	for {
		err := r.read(in)
		if err == nil {
			continue // a Receiver failed; its session is gone
		}
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		// ICMP errors and the like concern one peer, never the socket.
		r.port.log.Debug("udp read", "err", err)
		time.Sleep(time.Millisecond)
	}
}

// read reads until an error. A panic costs only the session it happened in.
func (r *reader) read(in *udp.Reader) (err error) {
	defer func() {
		if e := recover(); e != nil {
			err = nil
			r.port.failed(r.busy, e)
			r.busy = nil
		}
	}()
	return in.Read()
}

// failed forgets the session whose Receiver failed.
func (p *Port) failed(s *session, cause any) {
	p.count.panics.Inc()
	if s == nil {
		p.log.Error("datagram failed", "cause", cause, "stack", string(debug.Stack()))
		return
	}
	p.sessions.forget(s.ufrag)
	p.log.Error("session failed and is forgotten", "cause", cause, "stack", string(debug.Stack()))
}

// Datagram implements udp.Handler: it hands a datagram to whom it is for.
func (r *reader) Datagram(b []byte, from netip.AddrPort, at netip.Addr) {
	p := r.port
	if p.framed.owns(from) || p.relay.owns(from) { // virtual addresses send through their pipe only
		p.count.spoofed.Inc()
		return
	}
	switch class := ClassifyUDP(b); class {
	case ClassMedia:
		r.media++
		p.deliver(b, from, class, &r.busy)
	case ClassICE:
		p.count.ice.Inc()
		if !isCheck(b) && p.addresses.Take(b, from) {
			return
		}
		r.noteCheck(b, from, at)
		p.deliver(b, from, class, &r.busy)
	case ClassTURN:
		p.count.turn.Inc()
		if reflector(from.Port()) {
			p.count.spoofed.Inc()
			return
		}
		r.noteTURN(b, from, at)
		p.turn.push(b, from)
	case ClassSTUN:
		p.count.stun.Inc()
		r.answerPlain(b, from, at)
	default:
		p.count.garbage.Inc()
	}
}

// Emptied implements udp.Handler. It counts the media of a batch at once:
// readers on many processors that counted each datagram would wait for each
// other.
func (r *reader) Emptied() {
	if r.media > 0 {
		r.port.count.media.Add(r.media)
		r.media = 0
	}
}

// answerPlain answers a plain Binding request, within the limits.
func (r *reader) answerPlain(b []byte, from netip.AddrPort, at netip.Addr) {
	p := r.port
	if reflector(from.Port()) {
		p.count.spoofed.Inc()
		return
	}
	if !intact(b) {
		p.count.garbage.Inc()
		return
	}
	if !p.plain.Allow(from.Addr()) {
		p.count.stunLimited.Inc()
		return
	}
	if !answerable(from, at) {
		at = netip.Addr{}
	}
	answer := bindingRefusal(&r.answer, b)
	if answer == nil {
		answer = bindingAnswer(&r.answer, b, from)
	}
	_ = r.socket.Send(at, answer, from) // they ask again
}

// noteCheck notes which address of ours a check asks, before it is answered.
// One that names no session finds no place.
func (r *reader) noteCheck(b []byte, from netip.AddrPort, at netip.Addr) {
	if !answerable(from, at) || !isCheck(b) || r.port.sessions.byUfrag(localUfrag(b)) == nil {
		return
	}
	t := r.port.sessions
	t.answers.note(from, r.routes.Other(from.Addr(), at), nominates(b), t.byAddr(from) != nil)
}

// noteTURN notes which address of ours a TURN client asks. Only a request is
// worth the question, and only one that the TURN server will see.
func (r *reader) noteTURN(b []byte, from netip.AddrPort, at netip.Addr) {
	t := r.port.turn
	if !answerable(from, at) || !isSTUN(b) || !isCheck(b) || len(t.queue) == cap(t.queue) {
		return
	}
	t.answers.note(from, r.routes.Other(from.Addr(), at), false, false)
}

// deliver hands a datagram to its session's Receiver. *busy names the session
// meanwhile, for whoever recovers.
func (p *Port) deliver(b []byte, from netip.AddrPort, class Class, busy **session) {
	var s *session
	if class == ClassICE && isCheck(b) {
		s = p.sessions.byUfrag(localUfrag(b))
	} else {
		s = p.sessions.byAddr(from)
	}
	if s == nil {
		p.count.unknown.Inc()
		return
	}
	*busy = s
	s.receiver.Receive(b, from)
	*busy = nil
}

// deliverSafely is deliver for callers that a failing session must not take
// down: the TURN server and the connections.
func (p *Port) deliverSafely(b []byte, from netip.AddrPort, class Class) {
	var busy *session
	defer func() {
		if e := recover(); e != nil {
			p.failed(busy, e)
		}
	}()
	p.deliver(b, from, class, &busy)
}
