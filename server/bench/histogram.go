package bench

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets of a histogram: 64 per power of two, up to 2^40 ns (18 minutes).
const (
	bucketBits = 6
	bucketTop  = 40
	bucketN    = (bucketTop - bucketBits + 2) << bucketBits
)

// histogram counts durations with an error below 1.6 %. Any number of
// goroutines may add to it and read it at once.
type histogram struct {
	// atomic
	counts [bucketN]atomic.Uint64
	total  atomic.Uint64
	max    atomic.Int64
}

// add counts d; a negative one, left by a clock that was set back, counts as 0.
func (h *histogram) add(d time.Duration) {
	v := max(0, int64(d))
	h.counts[bucketOf(v)].Add(1)
	h.total.Add(1)
	for old := h.max.Load(); v > old && !h.max.CompareAndSwap(old, v); {
		old = h.max.Load()
	}
}

func bucketOf(v int64) int {
	v = min(v, 1<<bucketTop-1)
	shift := max(0, bits.Len64(uint64(v))-bucketBits-1)
	return shift<<bucketBits + int(v>>shift)
}

// bucketEnd is the largest value that falls into bucket i.
func bucketEnd(i int) int64 {
	shift := max(0, i>>bucketBits-1)
	return int64(i-shift<<bucketBits+1)<<shift - 1
}

// quantile returns the value below which the share q of all lies, 0 if there
// are none.
func (h *histogram) quantile(q float64) time.Duration {
	total := h.total.Load()
	if total == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(total)))
	rank = min(max(rank, 1), total)
	var seen uint64
	for i := range h.counts {
		if seen += h.counts[i].Load(); seen >= rank {
			return time.Duration(min(bucketEnd(i), h.max.Load()))
		}
	}
	return time.Duration(h.max.Load())
}
