package ingest

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// muxQueue is how many datagrams may wait for pion's reader: 0.1 s at a
// track's limit of packets.
const muxQueue = 512

var errUfrag = errors.New("another ICE user fragment")

// iceMux is all that pion knows of ICE: one path that never changes, between
// two addresses that mean nothing. The true path is found, changed and given up
// by an agent of ours, so that ICE can be restarted while media go on, which
// pion's own agent cannot do.
type iceMux struct {
	// set at construction
	port        *port.Port
	count       *counters
	credentials lite.Credentials // of the first answer
	theirs      string           // ICE user fragment of the client, as pion knows it
	agent       *lite.Agent
	conn        *muxConn
	created     time.Time
	moved       chan struct{} // holds one when the client has another address

	// atomic
	to    atomic.Pointer[netip.AddrPort] // where to send; nil for nowhere
	known atomic.Bool                    // pion has taken the path
	last  atomic.Int64                   // when something authentic came, ns since created
}

var (
	_ ice.UDPMux = (*iceMux)(nil)
	_ lite.Owner = (*iceMux)(nil)
)

// Both ends of pion's path, of the addresses for documentation (RFC 5737).
func here() *net.UDPAddr        { return &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9} }
func there() netip.AddrPort     { return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, 2}), 9) }
func isSTUN(b []byte) bool      { return len(b) > 0 && b[0] < 4 } // RFC 7983 section 7
func (m *iceMux) ufrag() string { return m.credentials.Ufrag }

// newICEMux registers credentials at the port until Close.
func newICEMux(p *port.Port, o *offer.Offer, count *counters) (*iceMux, error) {
	if len(p.Announced()) == 0 {
		return nil, errors.New("the port announces no address")
	}
	m := &iceMux{port: p, count: count, theirs: o.Ufrag, created: time.Now(), moved: make(chan struct{}, 1)}
	m.conn = &muxConn{mux: m, local: here(), queue: make(chan *datagram, muxQueue), done: make(chan struct{})}
	m.agent, m.credentials = lite.NewAgent(p, m, lite.Credentials{Ufrag: o.Ufrag, Password: o.Password})
	return m, m.agent.Open()
}

// Receive implements port.Receiver.
func (m *iceMux) Receive(b []byte, from netip.AddrPort) {
	if !isSTUN(b) {
		m.conn.push(b)
		return
	}
	switch m.agent.Check(b, from) {
	case lite.Forged:
		m.count.badChecks.Inc()
	case lite.Here:
		m.heard(time.Now())
		if !m.known.Load() {
			m.introduce()
		}
	}
}

// Moved implements lite.Owner.
func (m *iceMux) Moved(to netip.AddrPort) {
	if !to.IsValid() {
		m.to.Store(nil)
		return
	}
	m.to.Store(&to)
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

// heard notes that something authentic came from the client.
func (m *iceMux) heard(now time.Time) {
	m.last.Store(int64(now.Sub(m.created))) // by a clock that nobody sets
	if m.to.Load() == nil {
		m.agent.Resume()
	}
}

// silence is for how long nothing authentic has come.
func (m *iceMux) silence(now time.Time) time.Duration {
	return now.Sub(m.created) - time.Duration(m.last.Load())
}

// introduce shows pion the path: with a check that nominates it, as the client
// sent us one.
func (m *iceMux) introduce() {
	check, err := stun.Build(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(m.credentials.Ufrag+":"+m.theirs), ice.PriorityAttr(1), ice.AttrControlling(1), ice.UseCandidate(),
		stun.NewShortTermIntegrity(m.credentials.Password), stun.Fingerprint)
	if err == nil {
		m.conn.push(check.Raw)
	}
}

// GetListenAddresses implements ice.UDPMux.
func (m *iceMux) GetListenAddresses() []net.Addr { return []net.Addr{m.conn.local} }

// GetConn implements ice.UDPMux.
func (m *iceMux) GetConn(ufrag string, _ net.Addr) (net.PacketConn, error) {
	if ufrag != m.ufrag() {
		return nil, errUfrag
	}
	return m.conn, nil
}

// RemoveConnByUfrag implements ice.UDPMux. The agent calls it before it has
// gathered, too; the fragment stays ours until Close.
func (m *iceMux) RemoveConnByUfrag(string) {}

// Close implements ice.UDPMux; it may be called twice.
func (m *iceMux) Close() error {
	m.agent.Close()
	return m.conn.Close()
}

// send sends what pion wrote to where the client is. What pion says of its path
// is for nobody: the client was answered by our own agent.
func (m *iceMux) send(b []byte) {
	to := m.to.Load()
	if isSTUN(b) || to == nil {
		return
	}
	m.known.Store(true)
	m.agent.Keep()
	_ = m.port.Send(b, *to) // every protocol above repeats what gets lost
}

type datagram struct{ b []byte }

var datagrams = sync.Pool{New: func() any { return &datagram{b: make([]byte, 0, 1600)} }}

// muxConn is the socket of pion's agent.
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

func (c *muxConn) push(b []byte) {
	d := datagrams.Get().(*datagram)
	d.b = append(d.b[:0], b...)
	select {
	case c.queue <- d:
	default:
		c.mux.count.queue.Inc()
		datagrams.Put(d)
	}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *muxConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-c.queue:
		n := copy(b, d.b)
		datagrams.Put(d)
		return n, there(), nil
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (c *muxConn) WriteToAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	c.mux.send(b)
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
func (c *muxConn) WriteTo(b []byte, _ net.Addr) (int, error) {
	return c.WriteToAddrPort(b, netip.AddrPort{})
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
