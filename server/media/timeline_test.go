package media_test

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/heliograph/heliograph/server/media"
)

const (
	video = iota
	audio
)

// sample is one frame of a simulated source.
type sample struct {
	track    int
	captured time.Duration // true time
	pts      time.Duration // by the source's clock
	arrival  time.Duration // true time
}

// simulation makes samples of 30 pictures and 47 access units a second.
type simulation struct {
	length time.Duration
	clock  func(captured time.Duration) time.Duration            // the source's
	delay  func(track int, captured time.Duration) time.Duration // until the server has it
}

func (s simulation) samples() []sample {
	pictures, sound := s.track(video, time.Second/30), s.track(audio, 1024*time.Second/48_000)
	list := make([]sample, 0, len(pictures)+len(sound))
	for len(pictures) > 0 && len(sound) > 0 {
		next := &pictures
		if sound[0].arrival < pictures[0].arrival {
			next = &sound
		}
		list, *next = append(list, (*next)[0]), (*next)[1:]
	}
	return slices.Concat(list, pictures, sound)
}

func (s simulation) track(track int, step time.Duration) []sample {
	list := make([]sample, 0, s.length/step+1)
	last := time.Duration(0)
	for c := time.Duration(0); c < s.length; c += step {
		last = max(last, c+s.delay(track, c)) // one connection keeps the order
		list = append(list, sample{track, c, s.clock(c), last})
	}
	return list
}

// placed is where a sample came to lie: what at is late against the true time
// when it was captured.
type placed struct {
	sample
	out, late, wait time.Duration
}

func place(list []sample) []placed {
	l, epoch := media.NewTimeline(), time.Now()
	done := make([]placed, len(list))
	for i, s := range list {
		arrival := epoch.Add(s.arrival)
		out, at := l.Place(s.track, s.pts, arrival)
		done[i] = placed{s, out, at.Sub(epoch) - s.captured, arrival.Sub(at)}
	}
	return done
}

// spread returns the least and the greatest lateness of the samples captured
// between two times.
func spread(list []placed, from, to time.Duration) (low, high time.Duration) {
	low, high = time.Hour, -time.Hour
	for _, p := range list {
		if p.captured >= from && p.captured < to {
			low, high = min(low, p.late), max(high, p.late)
		}
	}
	return low, high
}

func ppm(n int64) func(time.Duration) time.Duration {
	return func(c time.Duration) time.Duration { return c + c/1_000_000*time.Duration(n) }
}

// jitter is a network of 5 to 20 ms and an encoder that sends audio in bursts
// of 0.7 s.
func jitter(seed uint64) func(int, time.Duration) time.Duration {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(track int, c time.Duration) time.Duration {
		d := 5*time.Millisecond + time.Duration(r.Int64N(int64(15*time.Millisecond)))
		if track == audio {
			const burst = 700 * time.Millisecond
			d += burst - c%burst
		}
		return d
	}
}

func TestTimelineDrift(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]func(time.Duration) time.Duration{"fast": ppm(200), "slow": ppm(-200)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulation{length: 2 * time.Hour, clock: clock, delay: jitter(7)}
			list := place(s.samples())
			require.Equal(t, list[0].pts, list[0].out)
			low, high := spread(list, 30*time.Second, s.length)
			require.Less(t, high-low, 15*time.Millisecond, "all frames of both tracks, over hours")
			requireNoJump(t, list)
		})
	}
}

// requireNoJump checks that the line is the source's own, and nothing lies
// after its arrival.
func requireNoJump(t *testing.T, list []placed) {
	t.Helper()
	for _, p := range list { // millions: the library's checks take long
		if p.pts != p.out {
			t.Fatalf("%v became %v", p.pts, p.out)
		}
		if p.wait < 0 {
			t.Fatalf("%v lies %v after its arrival", p.pts, -p.wait)
		}
	}
}

// jumpAt returns a clock that jumps once.
func jumpAt(when, by time.Duration) func(time.Duration) time.Duration {
	return func(c time.Duration) time.Duration {
		if c >= when {
			c += by
		}
		return c
	}
}

func wrapped(c time.Duration) time.Duration {
	const start = 1<<32 - 20_000 // ms
	return time.Duration(uint32(start+c.Milliseconds())) * time.Millisecond
}

func TestTimelineJumps(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		clock func(time.Duration) time.Duration
	}{
		{"10 s ahead", jumpAt(20*time.Second, 10*time.Second)},
		{"10 s back", jumpAt(20*time.Second, -10*time.Second)},
		{"2.3 s ahead", jumpAt(20*time.Second, 2300*time.Millisecond)},
		{"1.2 s back", jumpAt(20*time.Second, -1200*time.Millisecond)},
		{"to 0", jumpAt(20*time.Second, -20*time.Second)},
		{"a year ahead", jumpAt(20*time.Second, 365*24*time.Hour)},
		{"32 bits of ms wrap", wrapped},
		{"two", func(c time.Duration) time.Duration {
			return jumpAt(20*time.Second, 10*time.Second)(c) + jumpAt(40*time.Second, -30*time.Second)(c) - c
		}},
	} {
		for seed := range uint64(4) {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := simulation{length: 2 * time.Minute, clock: c.clock, delay: jitter(seed)}
				list := place(s.samples())
				requireSmooth(t, list)
				// What was captured at one time comes to lie at one time, ahead
				// of the jump and behind it, and is as late as before soon.
				for _, span := range [][2]time.Duration{{2 * time.Second, 19 * time.Second}, {85 * time.Second, 2 * time.Minute}} {
					low, high := spread(list, span[0], span[1])
					require.Less(t, high-low, 16*time.Millisecond)
				}
				requireInStep(t, list)
			})
		}
	}
}

// requireSmooth checks that no track jumps on the line.
func requireSmooth(t *testing.T, list []placed) {
	t.Helper()
	last := [2]time.Duration{-1, -1}
	for _, p := range list {
		if step := p.out - last[p.track]; last[p.track] >= 0 && step.Abs() > 900*time.Millisecond {
			t.Fatalf("a step of %v", step)
		}
		if p.wait < 0 {
			t.Fatalf("%v lies %v after its arrival", p.pts, -p.wait)
		}
		last[p.track] = p.out
	}
}

// requireInStep checks that what was captured within the same tenth of a
// second lies alike on the line, whichever track it is of.
func requireInStep(t *testing.T, list []placed) {
	t.Helper()
	const tenth = 100 * time.Millisecond
	least := map[time.Duration]*[2]time.Duration{}
	for _, p := range list {
		l := least[p.captured/tenth]
		if l == nil {
			l = &[2]time.Duration{1 << 62, 1 << 62}
			least[p.captured/tenth] = l
		}
		l[p.track] = min(l[p.track], p.out-p.captured)
	}
	for at, l := range least {
		if d := l[video] - l[audio]; d.Abs() > 2*time.Millisecond {
			t.Fatalf("pictures and sound are %v apart at %v", d, at*tenth)
		}
	}
}

// Two seconds of history come at once, as RTMP readers that look for the
// tracks first hand them over.
func TestTimelineBurstAtTheStart(t *testing.T) {
	t.Parallel()
	s := simulation{length: time.Minute, clock: ppm(0), delay: func(_ int, c time.Duration) time.Duration {
		return max(2*time.Second-c, 0) + 10*time.Millisecond
	}}
	list := place(s.samples())
	low, high := spread(list, 2*time.Second, s.length)
	require.Less(t, high-low, time.Millisecond)
	requireNoJump(t, list)
}

func TestTimelineStall(t *testing.T) {
	t.Parallel()
	s := simulation{length: 2 * time.Minute, clock: ppm(0), delay: func(_ int, c time.Duration) time.Duration {
		if c > 40*time.Second {
			return max(50*time.Second-c, 0) + 10*time.Millisecond // nothing for 10 s, then all at once
		}
		return 10 * time.Millisecond
	}}
	list := place(s.samples())
	low, high := spread(list, 0, s.length)
	require.Less(t, high-low, time.Millisecond, "what comes late still has its moment")
	requireNoJump(t, list)
}

// A source that stands still for 10 s and goes on where it was is back at its
// old delay within half a minute.
func TestTimelinePause(t *testing.T) {
	t.Parallel()
	l, epoch := media.NewTimeline(), time.Now()
	var wait time.Duration
	for i := range 30 * 90 {
		pts := time.Duration(i) * time.Second / 30
		arrival := epoch.Add(pts)
		if pts >= 20*time.Second {
			arrival = arrival.Add(10 * time.Second)
		}
		out, at := l.Place(video, pts, arrival)
		require.Equal(t, pts, out)
		wait = arrival.Sub(at)
	}
	require.Less(t, wait, time.Millisecond)
}

func TestTimelineMixedOrder(t *testing.T) {
	t.Parallel()
	l, epoch := media.NewTimeline(), time.Now()
	for i, order := range []int{0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11} {
		pts := time.Duration(order) * time.Second / 10
		out, _ := l.Place(video, pts, epoch.Add(time.Duration(i)*time.Second/10))
		require.Equal(t, pts, out)
	}
}

// A track whose clock has nothing to do with that of the others does not move
// them.
func TestTimelineForeignTrack(t *testing.T) {
	t.Parallel()
	l, epoch := media.NewTimeline(), time.Now()
	for i := range 300 {
		pts := time.Duration(i) * time.Second / 30
		arrival := epoch.Add(pts)
		out, at := l.Place(video, pts, arrival)
		require.Equal(t, pts, out)
		require.Equal(t, time.Duration(0), arrival.Sub(at))
		out, at = l.Place(audio, pts+time.Hour, arrival)
		require.InDelta(t, pts.Seconds(), out.Seconds(), 0.001)
		require.InDelta(t, 0, arrival.Sub(at).Seconds(), 0.001)
	}
}

func TestTimelineProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := newLineCheck()
		for range rapid.IntRange(1, 300).Draw(t, "frames") {
			track := rapid.IntRange(0, 2).Draw(t, "track")
			passed := time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "passed"))
			step := time.Duration(rapid.Int64Range(-int64(time.Minute), int64(time.Minute)).Draw(t, "step"))
			if rapid.Bool().Draw(t, "ordinary") {
				passed, step = passed/600, step.Abs()/1800
			}
			if rapid.IntRange(0, 50).Draw(t, "wild") == 0 {
				step = time.Duration(rapid.Int64().Draw(t, "any"))
			}
			if wrong := c.frame(track, step, passed); wrong != "" {
				t.Fatal(wrong)
			}
		}
	})
}

// lineCheck feeds a time line and looks whether it keeps its word.
type lineCheck struct {
	line   *media.Timeline
	epoch  time.Time
	now    time.Duration
	pts    [4]time.Duration
	high   [4]time.Duration
	highAt [4]time.Duration
	begun  [4]bool
}

func newLineCheck() *lineCheck {
	return &lineCheck{line: media.NewTimeline(), epoch: time.Now()}
}

func (c *lineCheck) frame(track int, step, passed time.Duration) (wrong string) {
	c.now += passed
	c.pts[track] += step
	arrival := c.epoch.Add(c.now)
	out, at := c.line.Place(track, c.pts[track], arrival)
	if at.After(arrival) {
		return "later than its arrival"
	}
	if c.begun[track] {
		if out < c.high[track]-time.Second {
			return "a step back"
		}
		if out > c.high[track]+c.now-c.highAt[track]+2*time.Second {
			return "a step ahead"
		}
	}
	if !c.begun[track] || out > c.high[track] {
		c.begun[track], c.high[track], c.highAt[track] = true, out, c.now
	}
	return ""
}

func FuzzTimeline(f *testing.F) {
	entry := func(track byte, step, passed time.Duration) []byte {
		b := []byte{track}
		b = binary.BigEndian.AppendUint64(b, uint64(step))
		return binary.BigEndian.AppendUint32(b, uint32(passed.Microseconds()))
	}
	f.Add(slices.Concat(entry(0, 0, 0), entry(1, time.Hour, 0), entry(0, time.Second, time.Second), entry(0, -time.Hour, 0)))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := newLineCheck()
		for ; len(data) >= 13; data = data[13:] {
			step := time.Duration(binary.BigEndian.Uint64(data[1:]))
			passed := time.Duration(binary.BigEndian.Uint32(data[9:])) * time.Microsecond
			if wrong := c.frame(int(data[0]&3), step, passed); wrong != "" {
				t.Fatal(wrong)
			}
		}
	})
}

func BenchmarkTimeline(b *testing.B) {
	l, epoch := media.NewTimeline(), time.Now()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		pts := time.Duration(i) * 10 * time.Millisecond
		l.Place(i&1, pts, epoch.Add(pts))
	}
}
