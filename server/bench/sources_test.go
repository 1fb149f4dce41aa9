package bench

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Neighbours come from different addresses, and no address has too many.
func TestLoopbackSources(t *testing.T) {
	t.Parallel()
	if !loopbackSource(0, 1).IsValid() {
		t.Skip("the loopback has one address here")
	}
	for _, viewers := range []int{1, 9, 100, maxViewers} {
		each := map[string]int{}
		for i := range viewers {
			a := loopbackSource(i, viewers)
			require.True(t, a.IsLoopback())
			each[a.String()]++
		}
		for a, n := range each {
			require.LessOrEqual(t, n, perSource, a)
		}
		require.Equal(t, viewers > perSource, loopbackSource(0, viewers) != loopbackSource(1, viewers))
	}
}
