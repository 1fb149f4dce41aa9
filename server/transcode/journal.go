package transcode

import (
	"sync"
	"time"
)

// maxEntries bounds a journal: of frames that nothing comes out for.
const maxEntries = 1024

// entry is a frame that a child was given.
type entry struct {
	pts   time.Duration // on the child's time line
	stamp int64         // on the source's, in ticks, extended to 64 bits
	at    time.Time     // when the frame came
}

// journal remembers what went into a child, to tell what comes out of it. It
// is written by one goroutine and read by another.
type journal struct {
	mu      sync.Mutex
	entries []entry // in order of their writing
}

func (j *journal) add(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) == maxEntries {
		j.entries = append(j.entries[:0], j.entries[1:]...)
	}
	j.entries = append(j.entries, e)
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}

// sound returns the entry that holds a moment, and forgets those before it.
func (j *journal) sound(pts time.Duration) (e entry, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for n < len(j.entries) && j.entries[n].pts <= pts {
		n++
	}
	if n == 0 {
		return entry{}, false
	}
	j.entries = append(j.entries[:0], j.entries[n-1:]...)
	return j.entries[0], true
}

// picture takes out the entry whose pts is nearest to one that was cut to
// whole ms. A picture that was lost in the child leaves its entry behind,
// which goes when it is a second old.
func (j *journal) picture(pts time.Duration) (e entry, ok bool) {
	const near, old = 1500 * time.Microsecond, time.Second
	j.mu.Lock()
	defer j.mu.Unlock()
	best, distance := -1, near
	for i, e := range j.entries {
		if d := (e.pts - pts).Abs(); d < distance {
			best, distance = i, d
		}
	}
	if best < 0 {
		return entry{}, false
	}
	e = j.entries[best]
	kept := j.entries[:0]
	for i, other := range j.entries {
		if i != best && other.pts > pts-old {
			kept = append(kept, other)
		}
	}
	j.entries = kept
	return e, true
}

// stamps extends timestamps of 32 bits to ones that do not wrap. The zero value
// works.
type stamps struct {
	begun bool
	last  int64
}

func (s *stamps) extend(stamp uint32) int64 {
	if !s.begun {
		s.begun, s.last = true, int64(stamp)
	} else {
		s.last += int64(int32(stamp - uint32(s.last)))
	}
	return s.last
}

// span returns how long n ticks of a clock of rate Hz are. Beyond 2^32 ticks it
// would overflow in one multiplication.
func span(n, rate int64) time.Duration {
	return time.Duration(n/rate)*time.Second + time.Duration(n%rate)*time.Second/time.Duration(rate)
}

// scale returns the ticks of a clock of another rate for n ticks of one.
func scale(n, rate, to int64) int64 {
	return n/rate*to + n%rate*to/rate
}
