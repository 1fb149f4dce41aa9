package port

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ends opens a dual-stack port and one client for each family.
func ends(t testing.TB) (*Port, map[string]*net.UDPConn) {
	t.Helper()
	p := open(t, ":0")
	clients := map[string]*net.UDPConn{}
	for family, ip := range map[string]net.IP{"udp4": net.IPv4(127, 0, 0, 1), "udp6": net.IPv6loopback} {
		c, err := net.DialUDP(family, nil, &net.UDPAddr{IP: ip, Port: int(p.Addr().Port())})
		if err != nil {
			t.Logf("no %s here: %v", family, err)
			continue
		}
		t.Cleanup(func() { _ = c.Close() })
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
		clients[family] = c
	}
	return p, clients
}

func read(t testing.TB, c *net.UDPConn) string {
	t.Helper()
	b := make([]byte, 3000)
	n, err := c.Read(b)
	require.NoError(t, err)
	return string(b[:n])
}

// Both families reach a wildcard port, and each client hears an answer from
// the address it asked.
func TestBothFamilies(t *testing.T) {
	t.Parallel()
	p, clients := ends(t)
	require.NotEmpty(t, clients)
	for family, c := range clients {
		in := newInbox()
		require.NoError(t, p.Register(family, in))
		_, err := c.Write(stunMessage(0x0001, usernameAttr(family+":x")...))
		require.NoError(t, err)
		from := in.next(t).from
		require.Equal(t, local(c), from, "no mapped addresses")

		require.NoError(t, p.Sender(0).SendSegments([]byte("aaaabbbbcc"), 4, from))
		require.Equal(t, []string{"aaaa", "bbbb", "cc"}, []string{read(t, c), read(t, c), read(t, c)})
		require.NoError(t, p.Send([]byte("one"), from))
		require.Equal(t, "one", read(t, c))
	}
}

func TestSendErrors(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.Error(t, p.Send([]byte("x"), netip.AddrPort{}))
	require.Error(t, p.Send([]byte("x"), netip.MustParseAddrPort("[::1]:9")), "an IPv4 socket")
	require.Error(t, p.Sender(0).SendSegments([]byte("x"), 0, p.Addr()))
	require.Error(t, p.Sender(0).SendSegments([]byte("xx"), 1, netip.MustParseAddrPort("[::1]:9")))
	require.Error(t, p.Send(make([]byte, 70000), p.Addr()))
}

func TestSendAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector a sync.Pool forgets at random")
	}
	p, clients := ends(t)
	b := make([]byte, 12000)
	for family, c := range clients {
		to := local(c)
		for name, send := range map[string]func(){
			"one": func() { _ = p.Send(b[:1200], to) },
			"ten": func() { _ = p.Sender(0).SendSegments(b, 1200, to) },
		} {
			require.Zero(t, testing.AllocsPerRun(200, send), "%s %s", family, name)
		}
	}
}
