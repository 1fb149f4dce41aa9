package ingest

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/ice/v4"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
)

// muxQueue is how many datagrams may wait for pion's reader: 0.1 s at a
// track's limit of packets.
const muxQueue = 512

var errUfrag = errors.New("another ICE user fragment")

// iceMux gives the one port to the ICE agent of one publication: it is the
// ice.UDPMux of that agent and the port.Receiver of its user fragment.
type iceMux struct {
	// set at construction
	port      *port.Port
	ufrag     string
	addresses []net.Addr // one of each family that we have
	v4, v6    *muxConn   // nil for a family that we have not
	dropped   *metric.Counter
}

var (
	_ ice.UDPMux    = (*iceMux)(nil)
	_ port.Receiver = (*iceMux)(nil)
)

// newICEMux registers ufrag at the port until Close.
func newICEMux(p *port.Port, ufrag string, dropped *metric.Counter) (*iceMux, error) {
	m := &iceMux{port: p, ufrag: ufrag, dropped: dropped}
	for _, a := range p.Announced() {
		conn := &m.v4
		if a.Addr().Is6() && !a.Addr().Is4In6() {
			conn = &m.v6
		}
		if *conn != nil {
			continue
		}
		local := net.UDPAddrFromAddrPort(a)
		*conn = &muxConn{mux: m, local: local, queue: make(chan *datagram, muxQueue), done: make(chan struct{})}
		m.addresses = append(m.addresses, local)
	}
	if len(m.addresses) == 0 {
		return nil, errors.New("the port announces no address")
	}
	return m, p.Register(ufrag, m)
}

// Receive implements port.Receiver.
func (m *iceMux) Receive(b []byte, from netip.AddrPort) {
	conn := m.v4
	if from.Addr().Is6() && !from.Addr().Is4In6() || conn == nil {
		conn = m.v6
	}
	if conn == nil {
		conn = m.v4 // a family that we do not announce: a proxy's doing, and harmless
	}
	conn.push(b, from)
}

// GetListenAddresses implements ice.UDPMux. One address of a family is enough
// for the agent: the answer's candidates are written by finishAnswer, and two
// readers of one connection would shuffle its packets.
func (m *iceMux) GetListenAddresses() []net.Addr { return m.addresses }

// GetConn implements ice.UDPMux.
func (m *iceMux) GetConn(ufrag string, local net.Addr) (net.PacketConn, error) {
	if ufrag != m.ufrag {
		return nil, errUfrag
	}
	for _, c := range []*muxConn{m.v4, m.v6} {
		if c != nil && c.local == local {
			return c, nil
		}
	}
	return nil, net.ErrClosed
}

// RemoveConnByUfrag implements ice.UDPMux. The agent calls it before it has
// gathered, too; the fragment stays ours until Close.
func (m *iceMux) RemoveConnByUfrag(string) {}

// Close implements ice.UDPMux; it may be called twice.
func (m *iceMux) Close() error {
	m.port.Unregister(m.ufrag)
	for _, c := range []*muxConn{m.v4, m.v6} {
		if c != nil {
			_ = c.Close()
		}
	}
	return nil
}

type datagram struct {
	b    []byte
	from netip.AddrPort
}

var datagrams = sync.Pool{New: func() any { return &datagram{b: make([]byte, 0, 1600)} }}

// muxConn is the agent's socket for one address family.
type muxConn struct {
	// set at construction
	mux   *iceMux
	local *net.UDPAddr
	queue chan *datagram
	done  chan struct{}

	// guarded by once
	once sync.Once
}

var _ ice.AddrPortReaderWriter = (*muxConn)(nil)

func (c *muxConn) push(b []byte, from netip.AddrPort) {
	d := datagrams.Get().(*datagram)
	d.b, d.from = append(d.b[:0], b...), from
	select {
	case c.queue <- d:
	default:
		c.mux.dropped.Inc()
		datagrams.Put(d)
	}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *muxConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-c.queue:
		n, from := copy(b, d.b), d.from
		datagrams.Put(d)
		return n, from, nil
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter. The agent writes to an
// address first when it answers a check whose MESSAGE-INTEGRITY it verified, so
// this is where the port learns whose the address is, and never on reading. It
// is told each time: a forged check of another session may have taken it away.
func (c *muxConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	c.mux.port.Learn(to, c.mux.ufrag)
	if err := c.mux.port.Send(b, to); err != nil {
		return 0, err
	}
	return len(b), nil
}

// ReadFrom implements net.PacketConn.
func (c *muxConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (c *muxConn) WriteTo(b []byte, to net.Addr) (int, error) {
	u, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.InvalidAddrError("not a UDP address")
	}
	return c.WriteToAddrPort(b, u.AddrPort())
}

// Close implements net.PacketConn.
func (c *muxConn) Close() error {
	c.once.Do(func() { close(c.done) })
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *muxConn) LocalAddr() net.Addr { return c.local }

// SetDeadline implements net.PacketConn. The agent sets deadlines only to stop
// reading, right before Close, and Close does that.
func (c *muxConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn, as SetDeadline.
func (c *muxConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn; a write never waits.
func (c *muxConn) SetWriteDeadline(time.Time) error { return nil }
