package media

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNTPThereAndBack(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint64(2_208_988_800)<<32, NTP(time.Unix(0, 0)))
	for _, at := range []time.Time{time.Unix(0, 1), time.Unix(1_790_000_000, 999_999_999), time.Unix(1_790_000_000, 500_000_000)} {
		require.InDelta(t, at.UnixNano(), NTPUnixNano(NTP(at)), 1)
	}
}
