package port

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
	a, err := newAddresses(netip.MustParseAddrPort("[::]:8080"), []string{"192.0.2.1", "192.0.2.2"}, slog.New(slog.NewTextHandler(&logged, nil)))
	require.NoError(t, err)
	before := addrPorts("192.0.2.1:8080", "192.0.2.2:8080")
	require.Equal(t, before, *a.announced.Load())
	require.Equal(t, before, *a.peers.Load())

	a.hosts = []string{"192.0.2.2", "192.0.2.1"}
	a.refresh(t.Context())
	require.Equal(t, before, *a.announced.Load(), "another order is no change")
	require.Empty(t, logged.String())

	a.hosts = []string{"192.0.2.3"}
	a.refresh(t.Context())
	require.Equal(t, addrPorts("192.0.2.3:8080"), *a.announced.Load())
	require.Equal(t, addrPorts("192.0.2.3:8080", "192.0.2.1:8080", "192.0.2.2:8080"), *a.peers.Load(), "sessions know the older ones")

	a.hosts = []string{"nosuch.invalid"}
	a.refresh(t.Context())
	a.refresh(t.Context())
	require.Equal(t, addrPorts("192.0.2.3:8080"), *a.announced.Load(), "what cannot be found stays")
	require.Equal(t, 1, strings.Count(logged.String(), "level=WARN"), "said once")

	for i := range 2 * maxPeers {
		a.hosts = []string{fmt.Sprintf("198.51.100.%d", i)}
		a.refresh(t.Context())
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
		a, err := newAddresses(netip.MustParseAddrPort("[::]:443"), []string{host}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.Equal(t, want, a.onlyPrivate(), host)
	}
}
