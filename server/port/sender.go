package port

import (
	"fmt"
	"net/netip"

	"github.com/heliograph/heliograph/server/port/udp"
)

// Sender sends datagrams by one of the port's sockets. Receivers cannot tell
// which: all sockets have the same address. One for each goroutine that sends
// much keeps these from waiting for each other in the kernel. All methods may
// be called from anywhere.
type Sender struct {
	// set at construction
	socket  *udp.Socket
	relay   *relay
	framed  *framed
	answers *answers
}

// Sockets says how many UDP sockets the port has: one for each processor where
// the kernel spreads the clients over them (Linux), else one.
func (p *Port) Sockets() int { return len(p.senders) }

// Sender returns the sender of socket i modulo Sockets.
func (p *Port) Sender(i int) *Sender { return &p.senders[i%len(p.senders)] }

// Send sends one datagram by the first socket; to may be a virtual relayed
// address. It never blocks: see ErrFull and udp.ErrCongested.
func (p *Port) Send(b []byte, to netip.AddrPort) error { return p.senders[0].Send(b, to) }

// Send sends one datagram; to may be the address of a client behind the relay
// or a TCP connection. It allocates nothing and never blocks: see ErrFull and
// udp.ErrCongested.
func (s *Sender) Send(b []byte, to netip.AddrPort) error {
	switch {
	case s.framed.owns(to):
		return s.framed.send(b, to)
	case s.relay.owns(to):
		return s.relay.send(b, max(1, len(b)), to)
	}
	return s.socket.Send(s.answers.to(to, isSTUN(b)), b, to)
}

// SendSegments cuts b in datagrams of segment bytes, of which the last may be
// shorter, and sends them, with one system call for up to 64 of them where
// the kernel can. It allocates nothing and never blocks: see ErrFull
// and udp.ErrCongested.
func (s *Sender) SendSegments(b []byte, segment int, to netip.AddrPort) error {
	if segment <= 0 {
		return fmt.Errorf("segment of %d bytes", segment)
	}
	switch {
	case s.framed.owns(to):
		return sendEach(b, segment, to, s.framed.send)
	case s.relay.owns(to):
		return s.relay.send(b, segment, to)
	}
	return s.socket.SendSegments(s.answers.to(to, isSTUN(b)), b, segment, to)
}

// sendEach sends the datagrams that b consists of to a virtual address.
func sendEach(b []byte, segment int, to netip.AddrPort, send func([]byte, netip.AddrPort) error) error {
	for len(b) > 0 {
		n := min(segment, len(b))
		if err := send(b[:n], to); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
