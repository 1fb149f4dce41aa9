package lite

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
)

// owner notes where it is told to send, and how much comes.
type owner struct {
	mu   sync.Mutex
	to   netip.AddrPort
	came atomic.Int32
}

func (o *owner) Receive([]byte, netip.AddrPort) { o.came.Add(1) }

func (o *owner) Moved(to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = to
}

type nobody struct{}

func (nobody) Receive([]byte, netip.AddrPort) {}

// session is an agent with two addresses of its client.
type session struct {
	*Agent
	owner *owner
	first Credentials
	ports *port.Port
	a, b  netip.AddrPort
}

func newSession(t *testing.T) *session {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	f := &session{owner: &owner{}, ports: p, a: bind(t), b: bind(t)}
	f.Agent, f.first = NewAgent(p, f.owner)
	require.NoError(t, f.Open())
	t.Cleanup(f.Close)
	return f
}

func bind(t *testing.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// quiet lets the chosen address have been silent for a while.
func (f *session) quiet() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = time.Now().Add(-2 * quietAddress)
}

// free tells whether a user fragment is registered no more.
func (f *session) free(c Credentials) bool {
	if f.ports.Register(c.Ufrag, nobody{}) != nil {
		return false
	}
	f.ports.Unregister(c.Ufrag)
	return true
}

func TestAgentFollowsItsClient(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.False(t, f.Check([]byte("garbage"), f.a))
	require.False(t, f.Check(checkFor(f.first, "wrong", true), f.a))
	require.False(t, f.Check(checkFor(Credentials{}, "", true), f.a))
	require.False(t, f.owner.to.IsValid(), "nothing goes to an address that was not proved")

	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.a))
	require.Equal(t, f.a, f.owner.to, "the first is taken without being nominated")
	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.b))
	require.Equal(t, f.a, f.owner.to, "another is not, as long as the first is alive")
	require.True(t, f.Check(checkFor(f.first, f.first.Password, true), f.b))
	require.Equal(t, f.b, f.owner.to, "but when it is nominated")
	f.quiet()
	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.a))
	require.Equal(t, f.a, f.owner.to, "or the other has gone quiet")
}

// The older generation lasts until the client has chosen a path with the newer,
// and one that was never used goes when there is another.
func TestAgentRestarts(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.True(t, f.Check(checkFor(f.first, f.first.Password, true), f.a))
	unused, err := f.Restart()
	require.NoError(t, err)
	second, err := f.Restart()
	require.NoError(t, err)
	require.True(t, f.free(unused))
	require.False(t, f.Check(checkFor(unused, unused.Password, true), f.b))

	require.True(t, f.Check(checkFor(second, second.Password, false), f.b))
	require.Equal(t, f.a, f.owner.to, "media go on over the old path")
	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.a))
	require.True(t, f.Check(checkFor(second, second.Password, true), f.b))
	require.Equal(t, f.b, f.owner.to)
	require.True(t, f.free(f.first))
	require.False(t, f.Check(checkFor(f.first, f.first.Password, true), f.a))

	third, err := f.Restart()
	require.NoError(t, err)
	require.True(t, f.Check(checkFor(third, third.Password, true), f.b), "the same address as before")
	require.True(t, f.free(second))
	fourth, err := f.Restart()
	require.NoError(t, err)
	f.quiet()
	require.True(t, f.Check(checkFor(fourth, fourth.Password, false), f.a))
	require.Equal(t, f.a, f.owner.to, "the old path is dead")
	require.True(t, f.free(third))

	f.Close()
	f.Close()
	require.True(t, f.free(fourth))
	_, err = f.Restart()
	require.ErrorIs(t, err, ErrClosed)
	require.False(t, f.Check(checkFor(fourth, fourth.Password, true), f.a))
}

// A generation that is given up does not take the address with it that media
// come from: a connection would be closed for that.
func TestAgentKeepsItsAddress(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(f.ports.Announced()[0]))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	require.True(t, f.Check(checkFor(f.first, f.first.Password, true), at))
	unused, err := f.Restart()
	require.NoError(t, err)
	require.True(t, f.Check(checkFor(unused, unused.Password, false), at))
	_, err = f.Restart()
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.Write([]byte("\x80media"))
		return err == nil && f.owner.came.Load() > 0
	}, 2*time.Second, time.Millisecond)
}

// RFC 7675 section 5.1: without consent nothing is sent, and with it again, at
// once.
func TestAgentLapses(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	f.Lapse()
	f.Resume()
	require.False(t, f.owner.to.IsValid(), "there was nothing yet")
	require.True(t, f.Check(checkFor(f.first, f.first.Password, true), f.a))
	f.Lapse()
	require.False(t, f.owner.to.IsValid())
	f.Resume()
	require.Equal(t, f.a, f.owner.to)
	f.Lapse()
	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.a))
	require.Equal(t, f.a, f.owner.to)
	f.Lapse()
	f.quiet()
	require.True(t, f.Check(checkFor(f.first, f.first.Password, false), f.b))
	require.Equal(t, f.b, f.owner.to)
	f.Lapse()
	f.Close()
	f.Resume()
	require.False(t, f.owner.to.IsValid())
}

func TestFragment(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"+
		"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n",
		Fragment(Credentials{Ufrag: "u", Password: "p"}, []string{"1 1 udp 1 192.0.2.1 9 typ host"}, []string{"m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"}))
}
