package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHistogram(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		values               []time.Duration
		p50, p95, p99, p0, m time.Duration
	}{
		"none":     {},
		"one":      {[]time.Duration{time.Millisecond}, 1e6, 1e6, 1e6, 1e6, 1e6},
		"negative": {[]time.Duration{-5}, 0, 0, 0, 0, 0},
		"huge":     {[]time.Duration{time.Hour}, 1<<40 - 1, 1<<40 - 1, 1<<40 - 1, 1<<40 - 1, time.Hour},
		"1 to 100": {span(1, 100), 50, 95, 99, 1, 100},
		"1 to 100 us": {span(1, 100, time.Microsecond), 50 * time.Microsecond, 95 * time.Microsecond,
			99 * time.Microsecond, time.Microsecond, 100 * time.Microsecond},
	} {
		var h histogram
		for _, v := range c.values {
			h.add(v)
		}
		assert.Equal(t, uint64(len(c.values)), h.total.Load(), name)
		for q, want := range map[float64]time.Duration{0: c.p0, 0.5: c.p50, 0.95: c.p95, 0.99: c.p99} {
			assert.InEpsilon(t, 1+float64(want), 1+float64(h.quantile(q)), 0.016, "%s %v", name, q)
		}
		assert.Equal(t, c.m, time.Duration(h.max.Load()), name)
	}
}

func TestBucketsHoldTheirValues(t *testing.T) {
	t.Parallel()
	before := -1
	for v := int64(0); v < 1<<40; v += 1 + v/50 {
		i := bucketOf(v)
		require.GreaterOrEqual(t, i, before)
		require.Less(t, i, bucketN)
		require.GreaterOrEqual(t, bucketEnd(i), v)
		require.LessOrEqual(t, float64(bucketEnd(i)-v), float64(v)/64)
		before = i
	}
}

func span(from, to int, unit ...time.Duration) []time.Duration {
	var out []time.Duration
	for i := from; i <= to; i++ {
		d := time.Duration(i)
		for _, u := range unit {
			d *= u
		}
		out = append(out, d)
	}
	return out
}

func TestSummarize(t *testing.T) {
	t.Parallel()
	values := make([]float64, 100)
	for i := range values {
		values[len(values)-1-i] = float64(i + 1)
	}
	for name, c := range map[string]struct {
		values []float64
		want   Summary
	}{
		"none":    {nil, Summary{}},
		"one":     {[]float64{2.5}, Summary{2.5, 2.5, 2.5, 2.5}},
		"two":     {[]float64{3, 1}, Summary{1, 1, 3, 3}},
		"hundred": {values, Summary{1, 50, 95, 100}},
	} {
		assert.Equal(t, c.want, summarize(c.values), name)
	}
	assert.InDelta(t, 100, values[0], 0, "the input keeps its order")
}

func TestSequence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seqs []int // -1 marks
		want counts
	}{
		"none":                {nil, counts{}},
		"in order":            {[]int{10, 11, 12}, counts{Expected: 3, Received: 3}},
		"a hole":              {[]int{10, 13}, counts{Expected: 4, Received: 2, Lost: 2}},
		"late":                {[]int{10, 12, 11}, counts{Expected: 3, Received: 3}},
		"twice":               {[]int{10, 11, 11, 10}, counts{Expected: 2, Received: 2, Duplicates: 2}},
		"wraps":               {[]int{65534, 65535, 0, 2}, counts{Expected: 5, Received: 4, Lost: 1}},
		"late over the wrap":  {[]int{65534, 0, 65535}, counts{Expected: 3, Received: 3}},
		"before the first":    {[]int{0, 65535, 1}, counts{Expected: 2, Received: 2}},
		"since the mark":      {[]int{10, 12, -1, 13, 16}, counts{Expected: 4, Received: 2, Lost: 2}},
		"late for the mark":   {[]int{10, 12, -1, 11, 13}, counts{Expected: 1, Received: 1}},
		"a mark and nothing":  {[]int{10, 12, -1}, counts{}},
		"begins anew":         {[]int{10, 12, 20000, 20001}, counts{Expected: 5, Received: 4, Lost: 1}},
		"falls back":          {[]int{20000, 10, 11}, counts{Expected: 3, Received: 3}},
		"far back is not old": {[]int{5000, 5000 - seqWindow, 5000 - seqWindow + 1}, counts{Expected: 3, Received: 3}},
	} {
		var s sequence
		for _, n := range c.seqs {
			if n < 0 {
				s.mark()
				continue
			}
			s.add(rtpHeader{seq: uint16(n), ssrc: 1}, 100)
		}
		assert.Equal(t, c.want, s.counts(), name)
	}
}

func TestSequenceLongRun(t *testing.T) {
	t.Parallel()
	var s sequence
	for i := range 200_000 {
		if i%10 != 3 {
			s.add(rtpHeader{seq: uint16(i), ssrc: 1}, 1)
		}
	}
	assert.Equal(t, counts{Expected: 200_000, Received: 180_000, Lost: 20_000}, s.counts())
	s.add(rtpHeader{seq: 5, ssrc: 2}, 1) // another SSRC is a stream of its own
	assert.Equal(t, counts{Expected: 200_001, Received: 180_001, Lost: 20_000}, s.counts())
}
