package port

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asker opens a client that asks the port at one address and hears nothing but
// that. It has another address of this machine, so that the kernel would have it
// answered from there.
func asker(t testing.TB, p *Port, local, remote netip.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)),
		net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, p.Addr().Port())))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// askers opens one for each family and kind of socket that this machine allows.
func askers(t testing.TB, each func(p *Port, c *net.UDPConn)) {
	t.Helper()
	one, two := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")
	for _, listen := range []string{":0", "0.0.0.0:0"} {
		p := open(t, listen)
		each(p, asker(t, p, one, two))
	}
	other, ok := secondIPv6(t)
	if !ok {
		t.Log("IPv6 is left out: this machine has no address of it but ::1")
		return
	}
	p := open(t, ":0")
	each(p, asker(t, p, netip.IPv6Loopback(), other))
}

// secondIPv6 finds an address of this machine that ::1 is not answered from.
func secondIPv6(t testing.TB) (netip.Addr, bool) {
	t.Helper()
	all, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && prefix.Addr().Is6() && prefix.Addr().IsGlobalUnicast() {
			return prefix.Addr(), true
		}
	}
	return netip.Addr{}, false
}

func TestPlainAnswerLeavesFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	askers(t, func(p *Port, c *net.UDPConn) {
		_, err := c.Write(stunMessage(0x0001))
		require.NoError(t, err)
		require.Equal(t, ClassICE, ClassifyUDP([]byte(read(t, c))))
		require.True(t, p.sessions.answers.none(), "one question leaves no trace")
	})
}

// answering is a session that believes every check and answers it.
type answering struct {
	port  *Port
	ufrag string
	got   chan netip.AddrPort
}

func (a answering) Receive(b []byte, from netip.AddrPort) {
	a.port.Learn(from, a.ufrag)
	_ = a.port.Send(stunMessage(0x0101), from)
	a.got <- from
}

// nomination is a check of a session, which nominates.
func nomination(ufrag string) []byte {
	return stunMessage(0x0001, append(usernameAttr(ufrag+":x"), 0, attrNominate, 0, 0)...)
}

// All that a session sends leaves from the address its client asked, by
// whatever socket, until the session is gone.
func TestSessionSendsFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	askers(t, func(p *Port, c *net.UDPConn) {
		s := answering{p, "ours", make(chan netip.AddrPort, 9)}
		require.NoError(t, p.Register("ours", s))
		for range 2 {
			_, err := c.Write(nomination("ours"))
			require.NoError(t, err)
			require.Equal(t, ClassICE, ClassifyUDP([]byte(read(t, c))))
			require.Equal(t, local(c), <-s.got)
		}
		for i := range p.Sockets() {
			require.NoError(t, p.Sender(i).Send([]byte("\x80one"), local(c)))
			require.Equal(t, "\x80one", read(t, c))
			for _, cut := range []int{4, 1200} {
				b := strings.Repeat("\x80", 70*cut+1)
				require.NoError(t, p.Sender(i).SendSegments([]byte(b), cut, local(c)))
				for len(b) > 0 {
					n := min(cut, len(b))
					require.Equal(t, b[:n], read(t, c))
					b = b[n:]
				}
			}
		}
		require.Len(t, p.sessions.answers.clients, 1)
		p.Unregister("ours")
		require.Empty(t, p.sessions.answers.clients)
		require.True(t, p.sessions.answers.none())
	})
}

// A client that asks two addresses of ours with one socket is answered from
// each, and gets its media from the one that it nominated.
func TestMediaFollowTheNomination(t *testing.T) {
	t.Parallel()
	p := open(t, "0.0.0.0:0")
	s := answering{p, "ours", make(chan netip.AddrPort, 9)}
	require.NoError(t, p.Register("ours", s))
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	b := make([]byte, 100)
	from := func() string {
		_, from, err := c.ReadFromUDPAddrPort(b)
		require.NoError(t, err)
		return from.Addr().String()
	}
	wish := stunMessage(0x0001, usernameAttr("ours:x")...)
	for _, step := range []struct {
		ask   string
		check []byte
		media string
	}{
		{"127.0.0.2", wish, "127.0.0.2"}, {"127.0.0.2", nomination("ours"), "127.0.0.2"},
		{"127.0.0.1", wish, "127.0.0.2"}, {"127.0.0.3", wish, "127.0.0.2"},
		{"127.0.0.1", nomination("ours"), "127.0.0.1"}, {"127.0.0.3", wish, "127.0.0.1"},
		{"127.0.0.3", nomination("ours"), "127.0.0.3"}, {"127.0.0.1", nomination("ours"), "127.0.0.1"},
	} {
		_, err := c.WriteToUDPAddrPort(step.check, netip.AddrPortFrom(netip.MustParseAddr(step.ask), p.Addr().Port()))
		require.NoError(t, err)
		require.Equal(t, step.ask, from())
		<-s.got
		require.NoError(t, p.Send([]byte("\x80"), local(c)))
		require.Equal(t, step.media, from())
	}
	require.True(t, p.sessions.answers.none(), "the kernel picks right again")
}

// Where the kernel picks the right address nothing is noted, and neither are
// checks of nobody's session.
func TestUsualClientsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	p, clients := ends(t)
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	for _, c := range clients {
		_, err := c.Write(nomination("ours"))
		require.NoError(t, err)
		in.next(t)
	}
	r := newReader(p, p.senders[0].socket)
	r.Datagram(nomination("nobody"), at(1), netip.MustParseAddr("127.0.0.2"))
	require.True(t, p.sessions.answers.none())
	require.True(t, p.turn.answers.none())
}

func TestSendingFromAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector a sync.Pool forgets at random")
	}
	askers(t, func(p *Port, c *net.UDPConn) {
		require.NoError(t, p.Register("ours", silence{}))
		r := newReader(p, p.senders[0].socket)
		to, question, asked := local(c), nomination("ours"), c.RemoteAddr().(*net.UDPAddr).AddrPort().Addr()
		r.Datagram(question, to, asked)
		p.Learn(to, "ours")
		b := make([]byte, 12000)
		b[0] = 0x80
		for name, do := range map[string]func(){
			"one":   func() { _ = p.Send(b[:1200], to) },
			"ten":   func() { _ = p.Sender(0).SendSegments(b, 1200, to) },
			"check": func() { r.Datagram(question, to, asked) },
		} {
			require.Zero(t, testing.AllocsPerRun(200, do), name)
		}
		require.False(t, p.sessions.answers.none())
	})
}
