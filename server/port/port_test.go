package port

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 5 * time.Second

// open runs a port until the test ends.
func open(t testing.TB, listen string) *Port {
	t.Helper()
	p, err := Listen(Config{Listen: listen, Metrics: metric.New()})
	require.NoError(t, err)
	run(t, p)
	return p
}

// run runs an open port until the test ends.
func run(t testing.TB, p *Port) {
	t.Helper()
	runUntil(t, p)
}

// runUntil is run for a test that wants the port to end before.
func runUntil(t testing.TB, p *Port) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(stop)
	return stop
}

// dial opens a UDP socket that hears only the port's address.
func dial(t testing.TB, p *Port) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p.Announced()[0]))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

func local(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// got is one datagram that a session received.
type got struct {
	b    string
	from netip.AddrPort
}

// inbox is a Receiver that keeps what it gets.
type inbox chan got

func newInbox() inbox { return make(inbox, 256) }

func (i inbox) Receive(b []byte, from netip.AddrPort) { i <- got{string(b), from} }

func (i inbox) next(t testing.TB) got {
	t.Helper()
	select {
	case g := <-i:
		return g
	case <-time.After(patience):
		require.FailNow(t, "nothing received")
		return got{}
	}
}

// eventually waits for a counter or the like.
func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, patience, time.Millisecond, what)
}

func TestEndToEnd(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.Equal(t, p.Addr(), p.Announced()[0])
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	require.ErrorIs(t, p.Register("ours", in), ErrUsed)
	c := dial(t, p)

	check := string(stunMessage(0x0001, usernameAttr("ours:theirs")...))
	_, err := c.Write([]byte(check))
	require.NoError(t, err)
	require.Equal(t, got{check, local(c)}, in.next(t))

	_, _ = c.Write([]byte{0x80, 96, 0, 1}) // not learned yet
	eventually(t, "dropped", func() bool { return p.count.unknown.Value() == 1 })
	p.Learn(local(c), "ours")
	_, _ = c.Write([]byte{0x80, 96, 0, 2})
	require.Equal(t, got{"\x80\x60\x00\x02", local(c)}, in.next(t))

	require.NoError(t, p.Send([]byte("answer"), local(c)))
	b := make([]byte, 2000)
	n, err := c.Read(b)
	require.NoError(t, err)
	require.Equal(t, "answer", string(b[:n]))

	p.Unregister("ours")
	_, _ = c.Write([]byte{0x80, 96, 0, 3})
	_, _ = c.Write([]byte(check))
	eventually(t, "dropped", func() bool { return p.count.unknown.Value() == 3 })
	require.Empty(t, in)
}

func TestRunEndsOnlyOnce(t *testing.T) {
	t.Parallel()
	p, err := Listen(Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, p.Run(ctx))
	_, err = p.HTTP().Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	_, _, err = p.TURNPackets().ReadFrom(nil)
	require.ErrorIs(t, err, net.ErrClosed)
	require.Error(t, p.Send([]byte("x"), p.Addr()))
}

// The port number is one number: opening many at once still gives pairs.
func TestListenFindsAFreePair(t *testing.T) {
	t.Parallel()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			p, err := Listen(Config{Listen: "127.0.0.1:0"})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			if got := p.HTTP().Addr().(*net.TCPAddr).Port; got != int(p.Addr().Port()) {
				t.Errorf("tcp %d, udp %d", got, p.Addr().Port())
			}
		})
	}
	wg.Wait()
}

func TestListenRefuses(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	for _, bad := range []string{"", "nonsense", "127.0.0.1:x", p.Addr().String()} {
		_, err := Listen(Config{Listen: bad})
		require.Error(t, err, bad)
	}
	_, err := Listen(Config{Listen: "127.0.0.1:0", PublicHosts: []Host{{Name: "no.such.host.invalid"}}})
	require.ErrorContains(t, err, "no.such.host.invalid")
}
