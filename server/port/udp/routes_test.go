package udp

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRoutesAreFew(t *testing.T) {
	t.Parallel()
	r, loopback := NewRoutes(), netip.MustParseAddr("127.0.0.1")
	for i := range maxRoutes + 10 {
		_ = r.Other(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}), loopback)
	}
	require.LessOrEqual(t, len(r.chosen), maxRoutes)
	require.NotEmpty(t, r.chosen)
}
