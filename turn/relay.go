package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
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
	stream bool          // the client has a connection, with which the allocation ends
	routes routes
	life   life
}

// forwarding is a relayed address that hands what is sent to it to a function.
type forwarding interface {
	Forward(f func(b []byte, size int, from netip.AddrPort) (room bool))
}

// forward has what is sent to the client go there without the library, which
// takes every datagram for itself, through a goroutine and three copies. The
// library goes on to say who may send what: see routes. Where the relayed
// address or the way to the client cannot do that, all stays with the library.
func (c *relayConn) forward(to way) {
	relayed, ok := c.PacketConn.(forwarding)
	if !ok || to == nil {
		return
	}
	_, c.stream = to.(*stream)
	relayed.Forward(func(b []byte, size int, from netip.AddrPort) bool {
		h, ok := c.routes.header(from)
		n := (len(b) + size - 1) / size
		switch {
		case !ok: // neither channel nor permission: vanishes, as in a network
			return true
		case !c.out.AllowN(time.Now(), len(b)+n*overhead):
			c.server.count.capped.Add(uint64(n))
			return true
		}
		return to.burst(h, b, size)
	})
}

// takeChannelData relays a message of a client if it is ChannelData, with which
// neither the gate nor the library has to do, and says whether it is.
func (s *Server) takeChannelData(from client, b []byte) bool {
	if !isChannelData(b) {
		return false
	}
	if c := s.allocations.relayed(from); c != nil {
		c.fromChannel(b)
	}
	return true
}

// fromChannel relays ChannelData of the client. On a channel that is not bound
// it vanishes (RFC 8656 section 12.6).
func (c *relayConn) fromChannel(b []byte) {
	size := int(binary.BigEndian.Uint16(b[2:]))
	if peer := c.routes.peer(binary.BigEndian.Uint16(b)); peer != nil && channelHeader+size <= len(b) {
		_, _ = c.WriteTo(b[channelHeader:channelHeader+size], peer)
	}
}

func newRelayConn(s *Server, c net.PacketConn) *relayConn {
	return &relayConn{
		PacketConn: c, server: s,
		in:   rate.NewLimiter(allocationBytes, allocationBurst),
		out:  rate.NewLimiter(allocationBytes, allocationBurst),
		life: life{until: time.Now().Add(lifeSpan)},
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

// ReadFrom waits for a datagram to the client that is within its bandwidth. Upon
// an error the library ends the allocation. It ends that of a connection when the
// connection ends too, so where none comes this way nobody has to wait for it.
func (c *relayConn) ReadFrom(b []byte) (int, net.Addr, error) {
	if c.stream {
		leaveLibrary()
	}
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil {
			c.life.end()
			return 0, nil, err
		}
		if c.out.AllowN(time.Now(), n+overhead) {
			return n, from, nil
		}
		c.server.count.capped.Inc()
	}
}
