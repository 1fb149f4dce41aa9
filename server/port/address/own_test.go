package address

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func addrPorts(s ...string) (all []netip.AddrPort) {
	for _, a := range s {
		all = append(all, netip.MustParseAddrPort(a))
	}
	return all
}

func TestAddressesFollowTheirNames(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	a, err := find(Config{Local: netip.MustParseAddrPort("[::]:8080"), Hosts: hosts("192.0.2.1", "192.0.2.2"), Log: slog.New(slog.NewTextHandler(&logged, nil))}, nil)
	require.NoError(t, err)
	before := addrPorts("192.0.2.1:8080", "192.0.2.2:8080")
	require.Equal(t, before, *a.announced.Load())
	require.Equal(t, before, *a.peers.Load())

	a.hosts = hosts("192.0.2.2", "192.0.2.1")
	a.Refresh(t.Context(), nil)
	require.Equal(t, before, *a.announced.Load(), "another order is no change")
	require.Empty(t, logged.String())

	a.hosts = hosts("192.0.2.3")
	a.Refresh(t.Context(), nil)
	require.Equal(t, addrPorts("192.0.2.3:8080"), *a.announced.Load())
	require.Equal(t, addrPorts("192.0.2.3:8080", "192.0.2.1:8080", "192.0.2.2:8080"), *a.peers.Load(), "sessions know the older ones")

	a.hosts = hosts("nosuch.invalid")
	a.Refresh(t.Context(), nil)
	a.Refresh(t.Context(), nil)
	require.Equal(t, addrPorts("192.0.2.3:8080"), *a.announced.Load(), "what cannot be found stays")
	require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"), "said once")

	for i := range 2 * maxPeers {
		a.hosts = hosts(fmt.Sprintf("198.51.100.%d", i))
		a.Refresh(t.Context(), nil)
	}
	require.Len(t, *a.peers.Load(), maxPeers)
	require.Equal(t, *a.announced.Load(), (*a.peers.Load())[:1])
}

func TestOnlyPrivate(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"127.0.0.1": true, "10.0.0.1": true, "fd00::1": true, "100.64.0.1": true, "::1": true, "fe80::1": true,
		"192.0.2.1": false, "2001:db8::1": false, "100.128.0.1": false, "198.18.0.1": false,
	} {
		a, err := find(Config{Local: netip.MustParseAddrPort("[::]:443"), Hosts: hosts(host), Log: slog.New(slog.DiscardHandler)}, nil)
		require.NoError(t, err)
		require.Equal(t, want, a.onlyPrivate(), host)
	}
}
