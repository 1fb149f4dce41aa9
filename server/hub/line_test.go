package hub

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func contextWithCancel(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func TestLine(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	var l line
	head := uint64(firstSeq)
	place := func(seq uint16, ts uint32, after time.Duration) (uint64, uint32) {
		s, stamp := l.place(Incoming{Seq: seq, Timestamp: ts, Arrival: start.Add(after)}, head, 90_000)
		head = max(head, s+1)
		return s, stamp
	}
	s, stamp := place(65_535, 100, 0)
	require.EqualValues(t, firstSeq, s)
	require.EqualValues(t, 100, stamp)
	s, _ = place(1, 100, 0)
	require.EqualValues(t, firstSeq+2, s, "across the wrap, one lost")
	s, _ = place(0, 100, 0)
	require.EqualValues(t, firstSeq+1, s, "the lost one, late")
	s, _ = place(65_530, 50, 0)
	require.EqualValues(t, firstSeq-5, s, "from before the first")

	l.restart()
	s, stamp = place(30_000, 7, 2*time.Second)
	require.EqualValues(t, firstSeq+3, s)
	require.EqualValues(t, 100+180_000, stamp)
	s, stamp = place(30_001, 3007, 2*time.Second)
	require.EqualValues(t, firstSeq+4, s)
	require.EqualValues(t, 100+183_000, stamp)
	s, stamp = place(10, 900, 2*time.Second)
	require.EqualValues(t, firstSeq+5, s, "a jump begins anew")
	require.EqualValues(t, 100+183_001, stamp, "time never stands still")
}

func TestClockKeepsTracksInStep(t *testing.T) {
	t.Parallel()
	const second = int64(time.Second)
	base := time.Unix(1_790_000_000, 0).UnixNano()
	theirs := base - 3600*second // the publisher's clock is an hour behind
	ntp := func(ns int64) uint64 {
		return uint64(ns/second+2_208_988_800)<<32 | uint64(ns%second)<<32/uint64(second)
	}
	var p publisherClock
	audio, video := clock{}, clock{}
	audio.restart(48_000)
	video.restart(90_000)
	audio.packet(0, base+20_000_000)
	video.packet(0, base+90_000_000) // encoding took its time
	a, ok := audio.stampAt(base + second)
	require.True(t, ok)
	require.EqualValues(t, 47_040, a, "arrival rules before the first report")

	audio.report(&p, ntp(theirs+second), 48_000, base+second+30_000_000)
	video.report(&p, ntp(theirs+second), 90_000, base+second+5_000_000)
	audio.report(&p, ntp(theirs+2*second), 96_000, base+2*second+400_000_000) // delayed on its way
	a, _ = audio.stampAt(base + 3*second)
	v, _ := video.stampAt(base + 3*second)
	require.InDelta(t, 3-0.005, float64(a)/48_000, 1e-3)
	require.InDelta(t, 3-0.005, float64(v)/90_000, 1e-3)
}

func TestClockAfterDays(t *testing.T) {
	t.Parallel()
	c := clock{rate: 90_000}
	c.packet(1000, 5e9)
	days := int64(1000 * 24 * 3600)
	stamp, ok := c.stampAt(5e9 + days*1e9)
	require.True(t, ok)
	require.Equal(t, uint32(1000+days*90_000), stamp)
	stamp, _ = c.stampAt(5e9 - 1e9/2)
	require.Equal(t, uint32(1<<32+1000-45_000), stamp, "a moment before")
}

func TestSourceThatSetsItsClock(t *testing.T) {
	t.Parallel()
	const rate = 90_000
	begin := time.Unix(1000, 0)
	for name, jump := range map[string]int{"ahead": 10 * rate, "back": -10 * rate} {
		var l line
		seq, own := uint16(7), uint32(1_000_000)
		at := func(i int) time.Time { return begin.Add(time.Duration(i) * 40 * time.Millisecond) }
		_, before := l.place(Incoming{Seq: seq, Timestamp: own, Arrival: at(0)}, firstSeq, rate)
		own += uint32(jump)
		_, after := l.place(Incoming{Seq: seq + 1, Timestamp: own, Arrival: at(1)}, firstSeq, rate)
		require.EqualValues(t, 3600, after-before, "%s: the time that passed", name)
		_, next := l.place(Incoming{Seq: seq + 2, Timestamp: own + 3000, Arrival: at(2)}, firstSeq, rate)
		require.EqualValues(t, 3000, next-after, "%s: then the source's steps", name)
	}
}

func TestStepsThatAreNoJumps(t *testing.T) {
	t.Parallel()
	const rate = 90_000
	begin := time.Unix(1000, 0)
	for name, c := range map[string]struct {
		passed time.Duration
		step   int
	}{
		"a B-frame":            {40 * time.Millisecond, -7200},
		"a burst":              {0, rate},
		"a connection stalled": {10 * time.Second, 3000},
		"a source paused":      {10 * time.Second, 10 * rate},
	} {
		var l line
		_, before := l.place(Incoming{Seq: 1, Timestamp: 5_000_000, Arrival: begin}, firstSeq, rate)
		own := uint32(5_000_000 + c.step)
		_, after := l.place(Incoming{Seq: 2, Timestamp: own, Arrival: begin.Add(c.passed)}, firstSeq, rate)
		require.EqualValues(t, c.step, int32(after-before), name)
	}
}
