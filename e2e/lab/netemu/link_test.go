//go:build linux

package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testLink(s settings) (*link, time.Time) {
	l := newLink(rand.New(rand.NewPCG(1, 2)))
	start := time.Unix(1000, 0)
	l.change(s, start)
	return l, start
}

// drain asks the link as its writer does, and returns when each packet arrived.
func drain(l *link, now time.Time) (arrivals []time.Time) {
	for {
		arrived, next := l.due(now)
		for range arrived {
			arrivals = append(arrivals, now)
		}
		if next.IsZero() {
			return arrivals
		}
		now = next
	}
}

func TestLoss(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set  settings
		runs float64 // mean length of what is lost in a row
	}{
		"none":          {settings{}, 0},
		"everything":    {settings{loss: 1}, 0},
		"one by one":    {settings{loss: 0.1, burst: 1}, 1.11},
		"four in a row": {settings{loss: 0.1, burst: 4}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, now := testLink(c.set)
			const n = 50_000
			runs, before := 0, int64(0)
			inside := false
			for range n {
				l.arrive(nil, now)
				lost := l.counts.lost > before
				before = l.counts.lost
				if lost && !inside {
					runs++
				}
				inside = lost
			}
			require.InDelta(t, c.set.loss, float64(l.counts.lost)/n, 0.01)
			if c.runs > 0 {
				require.InDelta(t, c.runs, float64(l.counts.lost)/float64(runs), c.runs/10)
			}
			require.Len(t, drain(l, now), n-int(l.counts.lost))
		})
	}
}

func TestRateAndQueue(t *testing.T) {
	t.Parallel()
	l, start := testLink(settings{rate: 1e6, queue: 32_000, delay: 20 * time.Millisecond})
	for range 40 {
		l.arrive(make([]byte, 1000), start)
	}
	require.Equal(t, int64(8), l.counts.overrun, "32 packets fit")
	require.Equal(t, 32_000, l.counts.deepest)
	arrivals := drain(l, start)
	require.Len(t, arrivals, 32)
	require.Equal(t, 28*time.Millisecond, arrivals[0].Sub(start), "8 ms for 1,000 bytes, and the way")
	require.Equal(t, 276*time.Millisecond, arrivals[31].Sub(start))
}

func TestWiderWhileItWaits(t *testing.T) {
	t.Parallel()
	l, start := testLink(settings{rate: 1e6})
	for range 3 {
		l.arrive(make([]byte, 1000), start)
	}
	l.change(settings{rate: 8e6}, start.Add(8*time.Millisecond))
	arrivals := drain(l, start.Add(8*time.Millisecond))
	require.Equal(t, []time.Duration{8, 9, 10}, []time.Duration{
		arrivals[0].Sub(start) / time.Millisecond, arrivals[1].Sub(start) / time.Millisecond, arrivals[2].Sub(start) / time.Millisecond,
	})
}

func TestJitterKeepsOrder(t *testing.T) {
	t.Parallel()
	l, start := testLink(settings{delay: 50 * time.Millisecond, jitter: 20 * time.Millisecond})
	for i := range byte(100) {
		l.arrive([]byte{i}, start.Add(time.Duration(i)*time.Millisecond))
	}
	var got []byte
	for now, asked := start, 0; asked < 1000; asked++ {
		arrived, next := l.due(now)
		for _, p := range arrived {
			got = append(got, p[0])
		}
		if next.IsZero() {
			break
		}
		require.LessOrEqual(t, next.Sub(start), 169*time.Millisecond)
		now = next
	}
	require.Len(t, got, 100)
	require.IsIncreasing(t, got)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	up, down, err := parse("loss=5 delay=20ms down.rate=1e6 down.queue=32000 up.jitter=2ms burst=3", settings{}, settings{})
	require.NoError(t, err)
	require.Equal(t, settings{loss: 0.05, burst: 3, delay: 20 * time.Millisecond, jitter: 2 * time.Millisecond}, up)
	require.Equal(t, settings{loss: 0.05, burst: 3, delay: 20 * time.Millisecond, rate: 1e6, queue: 32_000}, down)
	for _, wrong := range []string{"speed=3", "left.loss=1", "delay=5", "loss=", "queue=1e3"} {
		_, _, err := parse(wrong, settings{}, settings{})
		require.Error(t, err, wrong)
	}
}

func TestObey(t *testing.T) {
	t.Parallel()
	up, down := newPipe(nil, nil, newLink(nil)), newPipe(nil, nil, newLink(nil))
	var said strings.Builder
	require.NoError(t, obey(strings.NewReader("down.rate=8\nnothing=1\n\n"), &said, up, down))
	require.InDelta(t, 8, down.settings().rate, 0)
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	require.Len(t, lines, 3)
	require.JSONEq(t, `{"up": {"passed": 0, "lost": 0, "overrun": 0, "deepest": 0}, "down": {"passed": 0, "lost": 0, "overrun": 0, "deepest": 0}}`, lines[2])
	require.Contains(t, lines[1], "no such setting")
}
