package turn

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bubble is a server on networks in memory, where it is whatever time the test
// wants: time passes when everybody waits for it.
type bubble struct {
	*Server
	udp   *wire
	relay *memory
	peers []netip.AddrPort
}

// inBubble runs a test with a server of its own.
func inBubble(t *testing.T, l func() *limits, test func(t *testing.T, b *bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{relay: new(memory), peers: []netip.AddrPort{
			netip.MustParseAddrPort("192.0.2.1:8080"), netip.MustParseAddrPort("192.0.2.2:8080"),
		}}
		b.udp = newWire(b.peers[0])
		s, err := New(Config{Packets: b.udp, Relay: b.relay, Peers: func() []netip.AddrPort { return b.peers }})
		require.NoError(t, err)
		s.limits = l()
		b.Server = s
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		defer func() {
			cancel()
			require.NoError(t, <-ended)
		}()
		test(t, b)
	})
}

// visit makes the one client of a bubble, with a good credential.
func (b *bubble) visit(t testing.TB) *raw {
	t.Helper()
	user, password, _ := b.Credentials("guest")
	return &raw{t: t, conn: visitor{b.udp, netip.MustParseAddrPort("198.51.100.1:5000")}, user: user, password: password}
}

// wire is a socket in memory. What finds no room in it is lost. It does what the
// port's own do beside being a net.PacketConn.
type wire struct {
	local   netip.AddrPort
	in, out chan datagram
	done    chan struct{}
	once    sync.Once
	forward atomic.Pointer[func(b []byte, size int, from netip.AddrPort) bool]
}

// datagram is one that came from an address or goes to it.
type datagram struct {
	b    []byte
	peer netip.AddrPort
}

func newWire(local netip.AddrPort) *wire {
	return &wire{local: local, in: make(chan datagram, 16), out: make(chan datagram, 4096), done: make(chan struct{})}
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-w.in:
		return copy(b, d.b), net.UDPAddrFromAddrPort(d.peer), nil
	case <-w.done:
		return 0, nil, net.ErrClosed
	}
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	select {
	case w.out <- datagram{bytes.Clone(b), to.(*net.UDPAddr).AddrPort()}:
	default:
	}
	return len(b), nil
}

// SendSegments sends many datagrams at once, as the TURN server does to clients.
func (w *wire) SendSegments(b []byte, size int, to netip.AddrPort) error {
	for part := range slices.Chunk(b, size) {
		_, _ = w.WriteTo(part, net.UDPAddrFromAddrPort(to))
	}
	return nil
}

// Forward has f take what arrives at a relayed address.
func (w *wire) Forward(f func(b []byte, size int, from netip.AddrPort) bool) { w.forward.Store(&f) }

// arrive has a datagram arrive at a relayed address.
func (w *wire) arrive(b []byte, from netip.AddrPort) {
	if f := w.forward.Load(); f != nil {
		(*f)(b, len(b), from)
		return
	}
	w.in <- datagram{b, from}
}

// sent is what was sent by the wire since the last time, when nobody is about
// to send more.
func (w *wire) sent() (all []datagram) {
	synctest.Wait()
	for len(w.out) > 0 {
		all = append(all, <-w.out)
	}
	return all
}

func (w *wire) isClosed() bool {
	synctest.Wait()
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

func (w *wire) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *wire) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(w.local) }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// visitor is a client's end of a wire.
type visitor struct {
	*wire
	addr netip.AddrPort
}

func (v visitor) Write(b []byte) (int, error) {
	v.in <- datagram{bytes.Clone(b), v.addr}
	return len(b), nil
}

func (v visitor) Read(b []byte) (int, error) {
	d := <-v.out
	return copy(b, d.b), nil
}

func (v visitor) LocalAddr() net.Addr  { return net.UDPAddrFromAddrPort(v.addr) }
func (v visitor) RemoteAddr() net.Addr { return v.wire.LocalAddr() }
func (v visitor) Close() error         { return nil }

// memory makes relayed addresses that lead nowhere.
type memory struct {
	mu   sync.Mutex
	made []*wire
}

func (m *memory) Allocate(int) (net.PacketConn, net.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := newWire(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(2000+2*len(m.made))))
	m.made = append(m.made, w)
	return w, w.LocalAddr(), nil
}

// last is the relayed address that was made last.
func (m *memory) last() *wire {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made[len(m.made)-1]
}
