package limit

import (
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBurstAndSources(t *testing.T) {
	t.Parallel()
	s := NewSources(1, 1000)
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	require.True(t, s.Allow(a))
	require.False(t, s.Allow(a), "one a second")
	require.True(t, s.Allow(b), "another network")
	require.False(t, s.Allow(netip.MustParseAddr("::ffff:192.0.2.1")), "the same written otherwise")
	require.True(t, s.Allow(netip.MustParseAddr("2001:db8::1")))
	require.False(t, s.Allow(netip.MustParseAddr("2001:db8::2")), "one /64 is one network")
	require.True(t, s.Allow(netip.MustParseAddr("2001:db8:0:1::1")))
}

func TestTake(t *testing.T) {
	t.Parallel()
	const every, slack = 100, 300 // four at once
	var cell atomic.Int64
	for range 4 {
		require.True(t, take(&cell, 1000, every, slack))
	}
	require.False(t, take(&cell, 1000, every, slack))
	require.False(t, take(&cell, 1099, every, slack))
	require.True(t, take(&cell, 1100, every, slack), "one more after its time")
	require.False(t, take(&cell, 1100, every, slack))
}

func TestTotal(t *testing.T) {
	t.Parallel()
	s := NewSources(10, 20)
	n := 0
	for i := range 1000 {
		if s.Allow(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})) {
			n++
		}
	}
	require.GreaterOrEqual(t, n, 20)
	require.Less(t, n, 40)
}

// A flood from forged addresses takes no memory and no place from the others
// for longer than a second.
func TestMemoryIsConstant(t *testing.T) {
	s := NewSources(10, 1<<30)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 30_000 {
		s.Allow(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<16))
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	s := NewSources(100, 1<<20)
	a := netip.MustParseAddr("192.0.2.1")
	var n atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				if s.Allow(a) {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	require.GreaterOrEqual(t, n.Load(), int64(100))
	require.Less(t, n.Load(), int64(1000))
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	require.Equal(t, "192.0.2.1", Network(netip.MustParseAddr("::ffff:192.0.2.1")).String())
	require.Equal(t, "2001:db8::", Network(netip.MustParseAddr("2001:db8::1%eth0")).String())
	require.False(t, Network(netip.Addr{}).IsValid())
}

func BenchmarkAllow(b *testing.B) {
	s := NewSources(10, 1000)
	a := netip.MustParseAddr("192.0.2.1")
	b.ReportAllocs()
	for b.Loop() {
		s.Allow(a)
	}
}
