package feedback

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// within sends as a shard does for a while: no faster than Spacing allows.
func (r *road) within(bitRate int, d time.Duration) {
	for end := r.clock + d; r.clock < end; {
		rate := bitRate
		if most := r.f.Limit(); most > 0 {
			rate = min(rate, int(most))
		}
		r.run(rate, 100*time.Millisecond)
	}
}

// A link of 1 Mbit/s with a queue of 32 kB, and a stream of 1.5 Mbit/s: nothing
// is ever older than the queue is long, yet every picture is broken.
func TestShortQueueThatIsFull(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	r.room = 256 * time.Millisecond
	r.within(1.5e6, 5*time.Second)
	require.NotZero(t, r.f.Limit(), "noticed")
	r.sent, r.dropped = 0, 0
	r.within(1.5e6, 60*time.Second)
	require.Less(t, float64(r.dropped)/float64(r.sent), 0.03)
	require.Greater(t, float64(r.sent-r.dropped)*8000/60, 0.75e6, "bit/s: the link is used")
}

// Who waits for a keyframe is sent sound alone: that says nothing of the path.
func TestLimitOutlastsAWait(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	r.room = 256 * time.Millisecond
	r.within(1.5e6, 10*time.Second)
	before := r.f.Limit()
	r.within(60e3, 4*time.Second)
	require.NotZero(t, r.f.Limit())
	require.Less(t, r.f.Limit(), 1.2*before)
}

// Sound alone that is late for once is no reason to starve the picture after it.
func TestLateSoundIsNoLimit(t *testing.T) {
	t.Parallel()
	var l limit
	l.measured(&meter{rate: 2e6}, 0)
	l.measured(&meter{rate: 60e3, growth: 400 * time.Millisecond}, 0)
	require.Zero(t, l.rate)
	l.measured(&meter{rate: 60e3, lost: 0.2, growth: 400 * time.Millisecond}, 0)
	require.Greater(t, l.rate, 350e3)
	for range 20 {
		l.measured(&meter{rate: 60e3, lost: 0.2, growth: 400 * time.Millisecond}, 0)
	}
	require.EqualValues(t, least, l.rate, "a link that has become that narrow")
}

func TestBusyBrowserIsNoLimit(t *testing.T) {
	t.Parallel()
	var l limit
	late := &meter{rate: 2e6, growth: 400 * time.Millisecond}
	l.measured(late, 0)
	require.Zero(t, l.rate)
	l.measured(&meter{rate: 2e6}, 0)
	l.measured(late, 0)
	require.Zero(t, l.rate)
	l.measured(late, 0)
	require.NotZero(t, l.rate)
}

func TestLinkThatWidens(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	r.room = 256 * time.Millisecond
	r.within(1.5e6, 10*time.Second)
	r.perByte /= 10
	r.within(1.5e6, 40*time.Second)
	require.Zero(t, r.f.Limit())
}

// A radio link loses packets at random and has no queue.
func TestLossWithoutAQueueIsNoLimit(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 50e6)
	r.lose = 10
	for range 100 {
		r.run(2e6, 100*time.Millisecond)
		require.Zero(t, r.f.Limit())
	}
	require.Greater(t, r.f.shown.get().PathLost, 0.08)
	require.True(t, r.f.Gentle(r.now))
	require.False(t, r.f.Gentle(r.now+int64(time.Minute)))
}
