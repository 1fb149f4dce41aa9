package transcode

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const ms = time.Millisecond

func TestPacer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		at, want []time.Duration // of frames of 20 ms
	}{
		{"even", []time.Duration{0, 20 * ms, 40 * ms}, []time.Duration{0, 20 * ms, 40 * ms}},
		{"begins anywhere", []time.Duration{7 * ms, 27 * ms}, []time.Duration{7 * ms, 27 * ms}},
		{"one late frame", []time.Duration{0, 50 * ms, 40 * ms}, []time.Duration{0, 20 * ms, 40 * ms}},
		{"a small gap that stays", []time.Duration{0, 50 * ms, 70 * ms, 90 * ms}, []time.Duration{0, 20 * ms, 40 * ms, 90 * ms}},
		{"a large gap", []time.Duration{0, 100 * ms, 120 * ms}, []time.Duration{0, 100 * ms, 120 * ms}},
		{"back", []time.Duration{0, 20 * ms, 40 * ms, -20 * ms}, []time.Duration{0, 20 * ms, 40 * ms, -20 * ms}},
		{"follows slowly", []time.Duration{0, 36 * ms}, []time.Duration{0, 20*ms + 40*time.Microsecond}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var p pacer
			for i, at := range c.at {
				got, err := p.place(at, 20*ms)
				require.NoError(t, err)
				require.Equal(t, c.want[i], got, "frame %d", i)
			}
		})
	}
	var p pacer
	_, err := p.place(0, 20*ms)
	require.NoError(t, err)
	for _, at := range []time.Duration{time.Second, -time.Second} {
		_, err = p.place(at, 20*ms)
		require.ErrorIs(t, err, errGap)
	}
}

// A source whose clock drifts and jitters is followed to within the jitter.
func TestPacerFollows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		drift := rapid.IntRange(-1000, 1000).Draw(t, "drift in ppm")
		most := rapid.IntRange(0, 9).Draw(t, "jitter in ms")
		var p pacer
		for i := range 500 {
			exact := time.Duration(i) * (20*ms + time.Duration(drift)*20)
			at := exact + time.Duration(rapid.IntRange(-most, most).Draw(t, "jitter"))*ms
			got, err := p.place(at, 20*ms)
			require.NoError(t, err)
			require.LessOrEqual(t, (got - exact).Abs(), time.Duration(most)*ms+ms)
		}
	})
}

func TestStamps(t *testing.T) {
	t.Parallel()
	var s stamps
	require.EqualValues(t, 0xFFFFFF00, s.extend(0xFFFFFF00))
	require.EqualValues(t, 1<<32+0x100, s.extend(0x100))
	require.EqualValues(t, 0xFFFFFFF0, s.extend(0xFFFFFFF0))
	require.EqualValues(t, int64(1)<<40*48000/44100, scale(int64(1)<<40, 44100, 48000))
	require.Equal(t, 100*24*time.Hour, span(100*24*3600*48000, 48000))
}

func TestJournal(t *testing.T) {
	t.Parallel()
	var j journal
	for i := range maxEntries + 100 {
		j.add(entry{pts: time.Duration(i) * 20 * ms, stamp: int64(i)})
	}
	require.Len(t, j.entries, maxEntries)
	_, ok := j.sound(0)
	require.False(t, ok, "it is too old")
	e, ok := j.sound(200*20*ms + 5*ms)
	require.True(t, ok)
	require.EqualValues(t, 200, e.stamp)
	e, ok = j.sound(200*20*ms + 6*ms)
	require.True(t, ok)
	require.EqualValues(t, 200, e.stamp, "several packets hold parts of one frame")

	e, ok = j.picture(300*20*ms + ms)
	require.True(t, ok)
	require.EqualValues(t, 300, e.stamp)
	_, ok = j.picture(300 * 20 * ms)
	require.False(t, ok, "each picture is shown once")
	e, ok = j.picture(299 * 20 * ms)
	require.True(t, ok)
	require.EqualValues(t, 299, e.stamp, "later, because it was shown earlier")
	_, ok = j.picture(200 * 20 * ms)
	require.False(t, ok, "long past")
}
