package port

import (
	"fmt"
	"net"
	"net/netip"
)

// turnQueue is how many TURN datagrams wait for the TURN server.
const turnQueue = 1024

// turnPipe is the UDP socket as the TURN server sees it: only TURN comes in.
type turnPipe struct {
	*pipe
	noDeadline
	port    *Port
	local   net.Addr
	answers *answers // where its clients are answered from
}

func newTurnPipe(p *Port) *turnPipe {
	return &turnPipe{pipe: newPipe(turnQueue, new(places)), port: p, local: net.UDPAddrFromAddrPort(p.local), answers: newAnswers()}
}

// ReadFrom waits for the next TURN datagram.
func (t *turnPipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := t.pop(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo sends to a TURN client. What the socket has no room for is dropped,
// as on a full link.
func (t *turnPipe) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := udpAddr(to)
	if !ok || t.port.relay.owns(a) {
		return 0, fmt.Errorf("write to %v: no address of a TURN client", to)
	}
	from := t.answers.to(a, true) // ChannelData too: it asks one address for all
	if err := t.port.senders[0].socket.Send(from, b, a); err != nil {
		return 0, err
	}
	return len(b), nil
}

// SendSegments sends datagrams of size bytes, of which the last may be shorter,
// to a TURN client. It never blocks.
func (t *turnPipe) SendSegments(b []byte, size int, to netip.AddrPort) error {
	if t.port.relay.owns(to) {
		return fmt.Errorf("write to %v: no address of a TURN client", to)
	}
	// Clients have their sockets in turn, so that those who send at the same
	// time do not wait for each other.
	s := &t.port.senders[int(to.Port())%len(t.port.senders)]
	return s.socket.SendSegments(t.answers.to(to, true), b, size, to)
}

// Close ends the reading half; the socket stays open.
func (t *turnPipe) Close() error {
	t.pipe.close()
	return nil
}

// LocalAddr is the address of the port.
func (t *turnPipe) LocalAddr() net.Addr { return t.local }

// push queues a datagram for the TURN server.
func (t *turnPipe) push(b []byte, from netip.AddrPort) {
	if !t.pipe.push(b, from) {
		t.port.count.turnFull.Inc()
	}
}
