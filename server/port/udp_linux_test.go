package port

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAddressOf(t *testing.T) {
	t.Parallel()
	v4 := unix.RawSockaddrInet6{Family: unix.AF_INET, Port: 0x3930}
	v4.Flowinfo = 0x0100007f // where an IPv4 address lies
	mapped := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: 0x3930, Addr: netip.MustParseAddr("::ffff:127.0.0.1").As16()}
	v6 := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: 0x3930, Addr: netip.MustParseAddr("2001:db8::1").As16()}
	zone := unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: 0x3930, Addr: netip.MustParseAddr("fe80::1").As16(), Scope_id: 7}
	for want, name := range map[string]unix.RawSockaddrInet6{
		"127.0.0.1:12345": v4, "[2001:db8::1]:12345": v6, "[fe80::1%7]:12345": zone,
	} {
		require.Equal(t, want, addressOf(&name).String())
	}
	require.Equal(t, addressOf(&v4), addressOf(&mapped), "one client has one address")
}

// A client with a link-local address is told apart by its zone and answered.
func TestLinkLocal(t *testing.T) {
	t.Parallel()
	a, ok := linkLocal(t)
	if !ok {
		t.Skip("no interface has a link-local address")
	}
	p := open(t, "[::]:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	_, err = c.WriteToUDPAddrPort(stunMessage(0x0001, usernameAttr("ours:x")...), netip.AddrPortFrom(a, p.Addr().Port()))
	require.NoError(t, err)
	from := in.next(t).from
	require.NotEmpty(t, from.Addr().Zone())
	p.Learn(from, "ours")
	_, err = c.WriteToUDPAddrPort([]byte{0x80, 96, 0, 1}, netip.AddrPortFrom(a, p.Addr().Port()))
	require.NoError(t, err)
	require.Equal(t, from, in.next(t).from)
	require.NoError(t, p.SendSegments([]byte("ab"), 1, from))
	require.Equal(t, "ab", read(t, c)+read(t, c))
}

// linkLocal finds a link-local address of this machine.
func linkLocal(t *testing.T) (netip.Addr, bool) {
	t.Helper()
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range interfaces {
		addrs, _ := i.Addrs()
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Is6() && prefix.Addr().IsLinkLocalUnicast() && i.Flags&net.FlagUp != 0 {
				return prefix.Addr().WithZone(i.Name), true
			}
		}
	}
	return netip.Addr{}, false
}

// emptier returns a function that reads what the socket has, dispatches it and
// says how much it was.
func (r *reader) emptier() func() int {
	n := 0
	read := func(fd uintptr) {
		for n = 0; r.batch.fill(fd) == 0; {
			n += r.batch.count
			r.drain()
			if r.batch.count < batchSize {
				return
			}
		}
	}
	return func() int {
		_ = r.socket.raw.Control(read)
		return n
	}
}

func TestReceivingAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector a sync.Pool forgets at random")
	}
	for _, listen := range []string{"127.0.0.1:0", ":0"} {
		p, err := Listen(Config{Listen: listen})
		require.NoError(t, err)
		defer p.Close()
		require.NoError(t, p.Register("ours", silence{}))
		c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(p.Addr().Port())})
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		p.Learn(local(c), "ours")
		var empty []func() int
		for _, s := range p.senders {
			empty = append(empty, newReader(p, s.socket).emptier())
		}
		rtp, check := make([]byte, 1200), stunMessage(0x0001, usernameAttr("ours:theirs")...)
		rtp[0] = 0x80
		n := 0
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for range 3 * batchSize / 2 {
				_, _ = c.Write(rtp)
				_, _ = c.Write(check)
			}
			for _, f := range empty {
				n += f()
			}
		}))
		require.Equal(t, 101*3*batchSize, n)
	}
}
