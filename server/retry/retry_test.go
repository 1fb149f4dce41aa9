package retry

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failures int
		want     time.Duration
	}{
		{0, 1}, {1, 1}, {2, 2}, {3, 4}, {4, 8}, {5, 16}, {6, 30}, {7, 30}, {math.MaxInt, 30},
	} {
		for range 50 {
			d := Delay(c.failures, time.Second, 30*time.Second)
			require.InDelta(t, c.want*time.Second, d, float64(c.want*time.Second)/5+1, "%d", c.failures)
		}
	}
}
