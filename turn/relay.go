package turn

import (
	"net"
	"slices"
	"time"

	"golang.org/x/time/rate"
)

// The bandwidth of an allocation and direction: more than one viewer of the
// best layer needs, less than a machine notices. Each datagram counts its
// bytes and overhead, which bounds small ones too.
const (
	allocationBytes = 30_000_000 / 8 // per second
	allocationBurst = allocationBytes / 2
	overhead        = 64 // bytes of headers and work of one datagram
)

// relayConn is a relayed address with its limits. What it lets through goes to
// our peers only, whatever was permitted before.
type relayConn struct {
	net.PacketConn
	server *Server
	in     *rate.Limiter // from the client
	out    *rate.Limiter // to the client
}

func newRelayConn(s *Server, c net.PacketConn) *relayConn {
	return &relayConn{
		PacketConn: c, server: s,
		in:  rate.NewLimiter(allocationBytes, allocationBurst),
		out: rate.NewLimiter(allocationBytes, allocationBurst),
	}
}

// WriteTo relays a datagram of the client. What may not pass vanishes, as in a
// network.
func (c *relayConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if !slices.Contains(c.server.cfg.Peers(), clientOf(to).addr) {
		c.server.count.foreign.Inc()
		return len(b), nil
	}
	if !c.in.AllowN(time.Now(), len(b)+overhead) {
		c.server.count.capped.Inc()
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// ReadFrom waits for a datagram to the client that is within its bandwidth.
func (c *relayConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || c.out.AllowN(time.Now(), n+overhead) {
			return n, from, err
		}
		c.server.count.capped.Inc()
	}
}
