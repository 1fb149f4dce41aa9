package address

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func addrs(s ...string) (all []netip.Addr) {
	for _, a := range s {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

func hosts(names ...string) (all []Host) {
	for _, n := range names {
		all = append(all, Host{Name: n})
	}
	return all
}

func TestAnnounce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		local string
		hosts []Host
		seen  []netip.Addr
		want  []string
	}{
		{"127.0.0.1:8080", nil, nil, []string{"127.0.0.1:8080"}},
		{"[::1]:8080", nil, nil, []string{"[::1]:8080"}},
		{"192.0.2.7:8080", nil, nil, []string{"192.0.2.7:8080"}},
		{"10.0.0.7:8080", nil, addrs("203.0.113.7"), []string{"203.0.113.7:8080"}},
		{"127.0.0.1:8080", nil, addrs("127.0.0.1"), []string{"127.0.0.1:8080"}},
		{"10.0.0.7:8080", hosts("198.51.100.1"), addrs("203.0.113.7"), []string{"198.51.100.1:8080"}},
		{"[::]:8080", hosts("198.51.100.1", "2001:db8::1"), nil, []string{"198.51.100.1:8080", "[2001:db8::1]:8080"}},
		{"[::]:8080", hosts("[2001:db8::1]", "::ffff:198.51.100.1"), nil, []string{"[2001:db8::1]:8080", "198.51.100.1:8080"}},
		{"[::]:8080", []Host{{"198.51.100.1", 9000}, {"192.168.1.5", 0}}, nil, []string{"198.51.100.1:9000", "192.168.1.5:8080"}},
	} {
		got, err := announce(t.Context(), netip.MustParseAddrPort(c.local), c.hosts, c.seen)
		require.NoError(t, err)
		var text []string
		for _, a := range got {
			text = append(text, a.String())
		}
		require.Equal(t, c.want, text)
	}
	_, err := announce(t.Context(), netip.MustParseAddrPort("[::]:1"), hosts("0.0.0.0", "224.0.0.1"), nil)
	var blamed interface{ Setting() string }
	require.ErrorAs(t, err, &blamed)
	require.Equal(t, "public-host", blamed.Setting())
	_, err = announce(t.Context(), netip.MustParseAddrPort("[::]:1"), hosts("nosuch.invalid"), nil)
	require.ErrorAs(t, err, &blamed)
	require.ErrorContains(t, err, `"nosuch.invalid" has no address`)
}

func TestAnnounceFromInterfaces(t *testing.T) {
	t.Parallel()
	all, err := announce(t.Context(), netip.MustParseAddrPort("[::]:8080"), nil, nil)
	require.NoError(t, err)
	require.NotEmpty(t, all)
	require.LessOrEqual(t, len(all), maxAnnounced)
	only4, err := announce(t.Context(), netip.MustParseAddrPort("0.0.0.0:8080"), nil, nil)
	require.NoError(t, err)
	for _, a := range only4 {
		require.True(t, a.Addr().Is4())
	}
	seen, err := announce(t.Context(), netip.MustParseAddrPort("0.0.0.0:8080"), nil, addrs("203.0.113.7", "2001:db8::7"))
	require.NoError(t, err)
	require.Equal(t, "203.0.113.7:8080", seen[0].String())
	for _, a := range seen {
		require.True(t, a.Addr().Is4() && !isPrivate(a.Addr()), "private addresses are left out beside what the world sees")
	}
	for _, a := range all {
		require.False(t, a.Addr().IsUnspecified() || a.Addr().IsLinkLocalUnicast() || a.Addr().Is4In6())
	}
}

// What a machine with these addresses announces when nobody says more.
func TestPrivateAddressesStayAtHome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		has, want []netip.Addr
	}{
		{"public", addrs("198.51.100.1", "2001:db8::1"), addrs("198.51.100.1", "2001:db8::1")},
		{"public beside an inner network", addrs("198.51.100.1", "10.0.0.1", "fd00::1"), addrs("198.51.100.1")},
		{"home with IPv6", addrs("192.168.1.5", "2001:db8::1", "fd00::1"), addrs("2001:db8::1")},
		{"LAN", addrs("192.168.1.5", "fd00::1"), addrs("192.168.1.5", "fd00::1")},
		{"container", addrs("172.17.0.2"), addrs("172.17.0.2")},
		{"cloud with 1:1 NAT, VPN", addrs("10.0.0.4", "100.64.0.9"), addrs("10.0.0.4", "100.64.0.9")},
		{"none", nil, nil},
	} {
		require.Equal(t, c.want, publicIfAny(c.has), c.name)
	}
}

func TestPrimaryFirst(t *testing.T) {
	t.Parallel()
	got := primaryFirst(withPort(addrs("10.0.0.1", "10.0.0.2", "10.0.0.1", "2001:db8::1", "2001:db8::2"), 80))
	require.Equal(t, withPort(addrs("10.0.0.1", "2001:db8::1", "10.0.0.2", "2001:db8::2"), 80), got)
}

func TestFirstOfEach(t *testing.T) {
	t.Parallel()
	var all []net.Addr
	for _, s := range []string{"fe80::1/64", "10.0.0.1/8", "10.0.0.2/8", "2001:db8::1/64", "2001:db8::2/64", "127.0.0.1/8"} {
		ip, n, err := net.ParseCIDR(s)
		require.NoError(t, err)
		n.IP = ip
		all = append(all, n)
	}
	require.Equal(t, addrs("10.0.0.1", "2001:db8::1"), firstOfEach(all, nil))
	require.Equal(t, addrs("10.0.0.1"), firstOfEach(all, addrs("2001:db8::2")), "the one the kernel uses is enough")
	require.True(t, isBridge("docker0"))
	require.False(t, isBridge("eth0"))
}
