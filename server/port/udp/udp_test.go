package udp

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 5 * time.Second

func newCounters() Counters {
	r := metric.New()
	return Counters{Long: r.Counter("long", ""), Full: r.Counter("full", ""), Uncuts: r.Counter("uncuts", "")}
}

// open opens n sockets on a free number.
func open(t testing.TB, network, host string, n int) []*Socket {
	t.Helper()
	conn, err := net.ListenPacket(network, net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	sockets, err := Open(conn.(*net.UDPConn), n, slog.New(slog.DiscardHandler), newCounters())
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, s := range sockets {
			s.Close()
		}
	})
	return sockets
}

// dial opens a client over IPv4 that hears only the sockets' address.
func dial(t testing.TB, s *Socket) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: s.conn.LocalAddr().(*net.UDPAddr).Port})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	require.NoError(t, c.SetReadBuffer(1<<20))
	return c
}

func local(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func read(t testing.TB, c *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 3000)
	n, err := c.Read(b)
	require.NoError(t, err)
	return string(b[:n])
}

// got is one datagram that was read; nothing and from nobody: a batch's end.
type got struct {
	b    string
	from netip.AddrPort
}

// inbox is a Handler that keeps what it gets, and fails on "fail".
type inbox chan got

func (i inbox) Datagram(b []byte, from netip.AddrPort, _ netip.Addr) {
	if string(b) == "fail" {
		panic("fault")
	}
	i <- got{string(b), from}
}

func (i inbox) Emptied() { i <- got{} }

func (i inbox) next(t testing.TB) got {
	t.Helper()
	for {
		select {
		case g := <-i:
			if g != (got{}) {
				return g
			}
		case <-time.After(patience):
			require.FailNow(t, "nothing received")
		}
	}
}

// run reads a socket until the test ends and calls failed after each panic.
func run(t testing.TB, s *Socket, h Handler, failed func()) {
	t.Helper()
	ended := make(chan struct{})
	r := NewReader(s, h)
	once := func() (err error) {
		defer func() {
			if recover() != nil {
				failed()
			}
		}()
		return r.Read()
	}
	go func() {
		defer close(ended)
		for !errors.Is(once(), net.ErrClosed) {
		}
	}()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
}

// Datagrams of every size that differs: what is taken in is whole.
func TestSizes(t *testing.T) {
	t.Parallel()
	s := open(t, "udp4", "127.0.0.1", 1)[0]
	c := dial(t, s)
	in := make(inbox, 100)
	run(t, s, in, nil)
	for _, size := range []int{0, 1, 1500, 2047, 2048, 2049, 9000, 65507, 12} {
		b := strings.Repeat("x", size)
		_, err := c.Write([]byte(b))
		require.NoError(t, err)
		if size <= MaxDatagram {
			require.Equal(t, got{b, local(c)}, in.next(t))
		}
	}
	require.EqualValues(t, 3, s.count.Long.Value())
}

// A Handler that fails, here twice among what waited before reading began,
// costs nothing but the datagram it failed on.
func TestFailingHandler(t *testing.T) {
	t.Parallel()
	s := open(t, "udp4", "127.0.0.1", 1)[0]
	c := dial(t, s)
	var want []string
	for i := range 100 {
		text := strings.Repeat("x", i)
		if i == 10 || i == 50 {
			text = "fail"
		} else {
			want = append(want, text)
		}
		_, err := c.Write([]byte(text))
		require.NoError(t, err)
	}
	in, panics := make(inbox, 500), make(chan int, 9)
	run(t, s, in, func() { panics <- 1 })
	for _, w := range want {
		require.Equal(t, got{w, local(c)}, in.next(t))
	}
	require.Len(t, panics, 2)
}

// Readers of sockets that are closed under them end.
func TestReadAfterClose(t *testing.T) {
	t.Parallel()
	s := open(t, "udp4", "127.0.0.1", 1)[0]
	s.Close()
	require.ErrorIs(t, NewReader(s, make(inbox, 1)).Read(), net.ErrClosed)
	require.Error(t, s.Send(netip.Addr{}, []byte("x"), netip.MustParseAddrPort("127.0.0.1:9")))
}

// Cut by the kernel or one by one, all datagrams arrive, in both families.
func TestSendSegments(t *testing.T) {
	t.Parallel()
	s := open(t, "udp", "", 1)[0]
	clients := []*net.UDPConn{dial(t, s)}
	if c, err := net.DialUDP("udp6", nil, &net.UDPAddr{IP: net.IPv6loopback, Port: s.conn.LocalAddr().(*net.UDPAddr).Port}); err == nil {
		defer func() { _ = c.Close() }()
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
		require.NoError(t, c.SetReadBuffer(1<<20))
		clients = append(clients, c)
	}
	for _, cut := range []bool{s.Cuts(), false} {
		s.cut.on.Store(cut)
		for _, c := range clients {
			for _, size := range []struct{ segment, count int }{{4, 1}, {4, 3}, {100, 150}, {1200, 90}, {1, 65}} {
				sendWhole(t, s, c, size.segment, size.count)
			}
			require.NoError(t, s.SendSegments(netip.Addr{}, nil, 100, local(c)))
			require.Error(t, s.SendSegments(netip.Addr{}, []byte("x"), 0, local(c)))
		}
	}
}

// sendWhole sends datagrams, the last one shorter, and expects them.
func sendWhole(t *testing.T, s *Socket, c *net.UDPConn, segment, count int) {
	t.Helper()
	all := strings.Repeat("x", segment*(count-1)) + strings.Repeat("!", (segment+1)/2)
	require.NoError(t, s.SendSegments(netip.Addr{}, []byte(all), segment, local(c)))
	for rest := all; rest != ""; {
		n := min(segment, len(rest))
		require.Equal(t, rest[:n], read(t, c))
		rest = rest[n:]
	}
}

func TestSendErrors(t *testing.T) {
	t.Parallel()
	s := open(t, "udp4", "127.0.0.1", 1)[0]
	require.Error(t, s.Send(netip.Addr{}, []byte("x"), netip.AddrPort{}))
	require.Error(t, s.Send(netip.Addr{}, []byte("x"), netip.MustParseAddrPort("[::1]:9")), "an IPv4 socket")
	require.Error(t, s.SendSegments(netip.Addr{}, []byte("xx"), 1, netip.MustParseAddrPort("[::1]:9")))
	require.Error(t, s.Send(netip.Addr{}, make([]byte, 70000), local(dial(t, s))))
}
