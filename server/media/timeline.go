package media

import (
	"sync"
	"time"
)

const (
	// A step back that is longer is a jump; pictures in mixed order go back less.
	longestBack = time.Second
	// A step ahead that is so much longer than the time that passed is a jump.
	longestAhead = 2 * time.Second
	// A track that joins later begins within so much of where the others are,
	// or its clock has nothing to do with theirs.
	farAway = 5 * time.Second
	// A track whose pictures are in mixed order goes back so far without being
	// suspected of having jumped along with another.
	mixedOrder = 500 * time.Millisecond

	// Timestamps are taken within some decades, so that sums do not overflow.
	maxTime = time.Duration(1) << 60
)

// Timeline maps the timestamps of one source, all its tracks, to one line
// without jumps and to the server's clock. Sources restart their clocks, wrap
// them, and drift: a camera's quartz is off by some seconds a day. What they
// send comes in bursts and after stalls, which are no jumps. It may be used by
// any number of goroutines.
type Timeline struct {
	// guarded by mu
	mu     sync.Mutex
	begun  bool
	epoch  time.Time // of the first arrival
	shift  time.Duration
	number int // of the stretch that shift belongs to
	tracks map[int]*trackLine
	lag    floor
}

// trackLine is where one track is.
type trackLine struct {
	shift  time.Duration // what is added to its timestamps
	number int           // of the stretch that it is in
	high   time.Duration // greatest time on the line
	at     time.Duration // when that arrived, since epoch
	usual  time.Duration // last step ahead
}

// NewTimeline returns a time line that begins with the first Place.
func NewTimeline() *Timeline {
	return &Timeline{tracks: map[int]*trackLine{}}
}

// Place takes the presentation time of a frame of a track, by the source's own
// clock, and when it arrived.
//
// out is that time without jumps: a step back of more than 1 s, or one ahead
// of more than 2 s more than the time that passed, begins a new stretch that
// goes on where the track is now; the other tracks join it with the same
// shift as soon as they jump, so they stay in step.
//
// at is the moment on the server's clock: out and the shortest way that
// anything took within the last half minute. It is never after arrival, and
// the same for all tracks, however late one comes.
func (l *Timeline) Place(track int, pts time.Duration, arrival time.Time) (out time.Duration, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun, l.epoch = true, arrival
	}
	now := arrival.Sub(l.epoch)
	pts = max(min(pts, maxTime), -maxTime)
	t := l.tracks[track]
	if t == nil {
		t = l.join(pts, now)
		l.tracks[track] = t
	} else {
		l.follow(t, pts, now)
	}
	out = pts + t.shift
	if step := out - t.high; step > 0 {
		t.high, t.at, t.usual = out, now, min(step, longestBack)
	}
	return out, l.epoch.Add(out + l.lag.take(now, now-out))
}

// join begins a track.
func (l *Timeline) join(pts, now time.Duration) *trackLine {
	if len(l.tracks) > 0 {
		here := now - l.lag.least
		if d := pts + l.shift - here; d > farAway || d < -farAway {
			l.stretch(here - pts)
		}
	}
	return &trackLine{shift: l.shift, number: l.number, high: pts + l.shift, at: now}
}

// follow finds the shift of a track's next frame.
func (l *Timeline) follow(t *trackLine, pts, now time.Duration) {
	passed := max(now-t.at, 0)
	if t.number != l.number && nearer(pts+l.shift-t.high, pts+t.shift-t.high, passed) {
		t.shift, t.number = l.shift, l.number
	}
	step := pts + t.shift - t.high
	if step >= -longestBack && step <= passed+longestAhead {
		return
	}
	l.stretch(t.high + max(passed, t.usual) - pts)
	t.shift, t.number = l.shift, l.number
}

// nearer says whether step a fits the time that passed better than step b.
// Tracks that come in bursts make small steps after a long time; only a track
// that was silent for long makes both look right.
func nearer(a, b, passed time.Duration) bool {
	if offA, offB := off(a, passed), off(b, passed); offA != offB {
		return offA < offB
	}
	return (a - passed).Abs() < (b - passed).Abs()
}

// off is how far a step is from what may be.
func off(step, passed time.Duration) time.Duration {
	return max(step-passed, -mixedOrder-step, 0)
}

func (l *Timeline) stretch(shift time.Duration) {
	l.shift = shift
	l.number++
}

const (
	floorSlots = 30
	floorSlot  = time.Second
)

// floor keeps the least of the numbers of the last half minute: long enough to
// see through jitter and bursts, short enough that a clock which is off by 200
// parts in a million moves it by 6 ms.
type floor struct {
	slots [floorSlots]time.Duration // the least of each second
	last  int64                     // number of the second that is filled now
	least time.Duration
	begun bool
}

// take adds a number at a time and returns the least.
func (f *floor) take(now, d time.Duration) time.Duration {
	n := int64(now / floorSlot)
	switch {
	case !f.begun || n-f.last >= floorSlots:
		for i := range f.slots {
			f.slots[i] = d
		}
		f.begun, f.last, f.least = true, n, d
	case n > f.last:
		for f.last < n {
			f.last++
			f.slots[f.last%floorSlots] = d
		}
		f.least = f.slots[0]
		for _, s := range f.slots {
			f.least = min(f.least, s)
		}
	default: // or before the last, by a clock that went back
		slot := &f.slots[f.last%floorSlots]
		*slot = min(*slot, d)
		f.least = min(f.least, d)
	}
	return f.least
}
