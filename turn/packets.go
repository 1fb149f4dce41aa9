package turn

import "net"

// packets is the UDP side behind its gate.
type packets struct {
	net.PacketConn
	server *Server
	ended  func() // tells Run that no more messages come
	// owned by the library's goroutine, which reads and answers
	hold hold
}

// WriteTo sends what the library says to a client.
func (p *packets) WriteTo(b []byte, to net.Addr) (int, error) {
	p.hold.answered(b)
	return p.PacketConn.WriteTo(b, to)
}

// ReadFrom returns the next message for the library, which is done with the one
// before.
func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	p.hold.release()
	for {
		n, from, err := p.PacketConn.ReadFrom(b)
		if err != nil {
			p.ended()
			return 0, nil, err
		}
		who := clientOf(from)
		if p.server.takeChannelData(who, b[:n]) {
			continue
		}
		g := gate{server: p.server, client: who, reply: func(a []byte) {
			_, _ = p.PacketConn.WriteTo(a, from) // lost like any datagram
		}}
		out := g.admit(b[:n])
		p.hold = g.hold
		if out != nil {
			return copy(b, out), from, nil
		}
		p.hold.release()
	}
}
