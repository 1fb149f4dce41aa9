package turn

import "net"

// packets is the UDP side behind its gate.
type packets struct {
	net.PacketConn
	server *Server
	ended  func() // tells Run that no more messages come
}

// ReadFrom returns the next message for the library.
func (p *packets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := p.PacketConn.ReadFrom(b)
		if err != nil {
			p.ended()
			return 0, nil, err
		}
		if isChannelData(b[:n]) {
			if c := p.server.allocations.relayed(clientOf(from)); c != nil {
				c.fromChannel(b[:n])
			}
			continue
		}
		g := gate{server: p.server, client: clientOf(from), reply: func(a []byte) {
			_, _ = p.PacketConn.WriteTo(a, from) // lost like any datagram
		}}
		if out := g.admit(b[:n]); out != nil {
			return copy(b, out), from, nil
		}
	}
}
