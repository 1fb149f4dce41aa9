package address

import (
	"bytes"
	"log/slog"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAddressesAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, local string
		hosts       []string
		want        string
	}{
		{"443 at home", "[::]:443", []string{"192.168.1.5"}, "Chromium ignores"},
		{"443 on the internet", "[::]:443", []string{"192.0.2.1"}, ""},
		{"at home, by name", "[::]:8080", []string{"192.168.1.5"}, ""},
		{"one private address", "192.168.1.5:8080", nil, "--public-host, or a STUN server"},
		{"loopback", "127.0.0.1:443", nil, "only this machine"},
	} {
		var logged bytes.Buffer
		a, err := find(Config{Local: netip.MustParseAddrPort(c.local), Hosts: hosts(c.hosts...), Log: slog.New(slog.NewTextHandler(&logged, nil))}, nil)
		require.NoError(t, err, c.name)
		a.Tell()
		if c.want == "" {
			require.Empty(t, logged.String(), c.name)
		} else {
			require.Contains(t, logged.String(), c.want, c.name)
		}
	}
}

// Each finding of the STUN server comes with what it means.
func TestMappingIsExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, seen string
		hosts      []Host
		want       string
		warns      bool
	}{
		{"1:1 NAT", "203.0.113.7:8080", nil, "the world sees this server as 203.0.113.7:8080\"", false},
		{"router that changes numbers", "203.0.113.7:1", nil, "forward UDP and TCP", true},
		{"named", "203.0.113.7:8080", hosts("203.0.113.7"), "the world sees this server as 203.0.113.7:8080\"", false},
		{"named with another number", "203.0.113.7:8080", []Host{{"203.0.113.7", 9000}}, "the world sees this server as 203.0.113.7:8080\"", false},
		{"named otherwise", "203.0.113.7:8080", hosts("198.51.100.1"), "as 203.0.113.7:8080, and --public-host names another", true},
	} {
		var logged bytes.Buffer
		log := slog.New(slog.NewTextHandler(&logged, nil))
		m := newMapping(Host{"stun.example", 1}, log)
		m.note(addrPorts(c.seen), nil)
		a, err := find(Config{Local: netip.MustParseAddrPort("10.0.0.5:8080"), Hosts: c.hosts, Log: log}, m)
		require.NoError(t, err)
		a.tellMapping()
		require.Contains(t, logged.String(), c.want, c.name)
		require.Equal(t, c.warns, bytes.Contains(logged.Bytes(), []byte("level=WARN")), c.name)
		if len(c.hosts) == 0 {
			require.Equal(t, addrPorts("203.0.113.7:8080"), a.Announced(), c.name)
		}
	}
	var logged bytes.Buffer
	m := newMapping(Host{"stun.example", 1}, slog.New(slog.NewTextHandler(&logged, nil)))
	_, wrong := mappedIn(says(make([]byte, header), "100.64.0.7:80"), true)
	m.note(nil, wrong)
	a, err := find(Config{Local: netip.MustParseAddrPort("10.0.0.5:8080"), Log: m.log}, m)
	require.NoError(t, err)
	a.tellMapping()
	require.Contains(t, logged.String(), "is of no use")
	require.Contains(t, logged.String(), "100.64.0.7 is private")
}
