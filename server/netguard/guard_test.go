package netguard

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllow(t *testing.T) {
	t.Parallel()
	public, private := New(false, netip.MustParseAddr("198.49.1.1")), New(true)
	for _, c := range []struct {
		addr            string
		public, private bool
	}{
		{"1.1.1.1", true, true},
		{"2606:4700::1111", true, true},
		{"::ffff:1.1.1.1", true, true},
		{"198.49.1.1", false, true}, // the machine's own, behind its NAT
		{"127.0.0.1", false, true},
		{"127.8.9.10", false, true},
		{"::1", false, true},
		{"::ffff:127.0.0.1", false, true},
		{"10.1.2.3", false, true},
		{"172.31.255.255", false, true},
		{"172.32.0.1", true, true},
		{"192.168.1.20", false, true},
		{"100.64.0.1", false, true},
		{"169.254.1.1", false, true}, // a camera without DHCP
		{"fe80::1%eth0", false, true},
		{"fd12::1", false, true},
		{"fec0::1", false, true},
		{"198.18.0.1", false, true},
		{"203.0.113.7", false, true},
		{"2001:db8::1", false, true},
		{"64:ff9b::a00:1", false, true},   // 10.0.0.1
		{"64:ff9b::808:808", false, true}, // 8.8.8.8: only the network knows where to
		{"2002:7f00:1::1", false, true},   // 127.0.0.1
		{"::7f00:1", false, true},         // 127.0.0.1
		{"2001:0:1:2:3:4:80ff:fffe", false, true},
		{"169.254.169.254", false, false},
		{"::ffff:169.254.169.254", false, false},
		{"64:ff9b::a9fe:a9fe", false, false},
		{"64:ff9b:1::a9fe:a9fe", false, false},
		{"2002:a9fe:a9fe::1", false, false},
		{"::a9fe:a9fe", false, false},
		{"::ffff:0:a9fe:a9fe", false, false},
		{"2001:0:1:2:3:4:5601:5601", false, false}, // Teredo of 169.254.169.254
		{"fd00:ec2::254", false, false},
		{"fd00:ec2::254%eth0", false, false},
		{"100.100.100.200", false, false},
		{"168.63.129.16", false, false},
		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"::", false, false},
		{"224.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"ff02::1", false, false},
	} {
		a := netip.MustParseAddr(c.addr)
		require.Equal(t, c.public, public.Allow(a) == nil, "public %s", c.addr)
		require.Equal(t, c.private, private.Allow(a) == nil, "private %s", c.addr)
		local := c.private && !c.public && c.addr != "198.49.1.1" // that is the other guard's own
		require.Equal(t, local, NewLocal().Allow(a) == nil, "local %s", c.addr)
	}
	require.ErrorIs(t, private.Allow(netip.Addr{}), ErrRefused)
}

func TestOwnPublicAddressIsRefused(t *testing.T) {
	t.Parallel()
	g := New(false)
	g.locals = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.ParseIP("5.9.1.2"), Mask: net.CIDRMask(24, 32)}}, nil
	}
	require.ErrorIs(t, g.Allow(netip.MustParseAddr("5.9.1.2")), ErrRefused)
	require.NoError(t, g.Allow(netip.MustParseAddr("5.9.1.3")))
	g.locals = func() ([]net.Addr, error) { return nil, errors.New("no netlink") }
	require.ErrorIs(t, g.Allow(netip.MustParseAddr("5.9.1.3")), ErrRefused)
}

func TestDialChecksWhatItConnectsTo(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())

	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"} {
		conn, err := New(true).Dial(t.Context(), "tcp", net.JoinHostPort(host, port))
		require.NoError(t, err, host)
		require.NoError(t, conn.Close())
		_, err = New(false).Dial(t.Context(), "tcp", net.JoinHostPort(host, port))
		require.ErrorIs(t, err, ErrRefused, host)
	}
	_, err = New(false).Dial(t.Context(), "udp", "127.0.0.1:9")
	require.ErrorIs(t, err, ErrRefused)
	_, err = New(true).Dial(t.Context(), "tcp", "0.0.0.0:"+port) // Linux takes it for loopback
	require.ErrorIs(t, err, ErrRefused)
	_, err = New(true).Dial(t.Context(), "unix", "/dev/log")
	require.ErrorIs(t, err, ErrRefused)
}

func TestResolve(t *testing.T) {
	t.Parallel()
	a, err := New(true).Resolve(t.Context(), "localhost")
	require.NoError(t, err)
	require.True(t, a.IsLoopback())
	_, err = New(false).Resolve(t.Context(), "localhost")
	require.ErrorIs(t, err, ErrRefused)
	_, err = New(false).Resolve(t.Context(), "::ffff:10.0.0.1")
	require.ErrorIs(t, err, ErrRefused)
	a, err = New(false).Resolve(t.Context(), "::ffff:9.9.9.9")
	require.NoError(t, err)
	require.Equal(t, "9.9.9.9", a.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = New(true).Resolve(ctx, "camera.invalid")
	require.Error(t, err)
}

// Whatever an address looks like, one that is allowed in public is allowed in
// private, and no allowed one is a form of a metadata service's.
func FuzzAllow(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::a9fe:a9fe").AsSlice())
	f.Add(netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	public, private := New(false), New(true)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, _ := netip.AddrFromSlice(b)
		if public.Allow(a) == nil && (private.Allow(a) != nil || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()) {
			t.Fatalf("%s was allowed", a)
		}
	})
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1", "localhost": "127.0.0.1", "LOCALHOST": "127.0.0.1",
		"": "", "example.org": "", "localhost.example": "", "192.0.2": "",
	} {
		a, ok := Literal(host)
		if ok != (want != "") || ok && a.String() != want {
			t.Errorf("Literal(%q) = %v, %v", host, a, ok)
		}
	}
}
