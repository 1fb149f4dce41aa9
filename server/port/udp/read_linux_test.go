package udp

import (
	"net"
	"net/netip"
	"testing"
	"time"

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
	s := open(t, "udp", "", 1)[0]
	in := make(inbox, 10)
	run(t, s, in, nil)
	c, err := net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.WriteToUDPAddrPort([]byte("hello"), netip.AddrPortFrom(a, uint16(s.conn.LocalAddr().(*net.UDPAddr).Port)))
	require.NoError(t, err)
	from := in.next(t).from
	require.NotEmpty(t, from.Addr().Zone())
	require.NoError(t, s.SendSegments(netip.Addr{}, []byte("ab"), 1, from))
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

// emptier returns a function that reads what the socket has and says how much
// it was.
func (r *Reader) emptier() func() int {
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

// silence is a Handler that does nothing.
type silence struct{}

func (silence) Datagram([]byte, netip.AddrPort, netip.Addr) {}
func (silence) Emptied()                                    {}

func TestReadingAllocatesNothing(t *testing.T) {
	for _, host := range []string{"", "127.0.0.1"} {
		s := open(t, "udp", host, 1)[0]
		c := dial(t, s)
		empty := NewReader(s, silence{}).emptier()
		b, n := make([]byte, 1200), 0
		require.Zero(t, testing.AllocsPerRun(100, func() {
			for range 3 * batchSize {
				_, _ = c.Write(b)
			}
			n += empty()
		}))
		require.Equal(t, 101*3*batchSize, n)
	}
}
