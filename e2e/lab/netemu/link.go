//go:build linux

package main

import (
	"math/rand/v2"
	"time"
)

// settings is how one direction of the line treats packets. The zero value is
// a perfect line.
type settings struct {
	loss   float64       // share of packets lost, 0 to 1
	burst  float64       // mean number of packets lost in a row; up to 1: each by its own chance
	delay  time.Duration // one way
	jitter time.Duration // added to the delay or taken from it, at most this much; order is kept
	rate   float64       // bit/s; 0: no limit
	queue  int           // bytes that may wait for the rate; 0: no limit
}

// counts says what became of the packets of one direction.
type counts struct {
	passed  int64
	lost    int64 // by chance
	overrun int64 // because the queue was full
	deepest int   // most bytes that waited at once since the last question
}

type packet struct {
	data []byte
	at   time.Time // when it came; once on its way, when it arrives
}

// link is one direction of the line: chance, then a queue that the rate
// empties, then the way. It knows no clock but the times it is told, which
// must not run backwards.
type link struct {
	set     settings
	counts  counts
	random  *rand.Rand
	losing  bool      // inside a burst
	waiting []packet  // for the rate
	bytes   int       // of those
	free    time.Time // when the last packet had left the queue
	flying  []packet  // on their way, the next to arrive first
}

func newLink(random *rand.Rand) *link { return &link{random: random} }

// change sets other settings. What waits goes on under the new ones.
func (l *link) change(s settings, now time.Time) {
	l.advance(now)
	l.set = s
}

// arrive takes a packet in, or drops it.
func (l *link) arrive(data []byte, now time.Time) {
	l.advance(now)
	if l.unlucky() {
		l.counts.lost++
		return
	}
	if l.set.rate > 0 && l.set.queue > 0 && l.bytes+len(data) > l.set.queue {
		l.counts.overrun++
		return
	}
	l.waiting = append(l.waiting, packet{data: data, at: now})
	l.bytes += len(data)
	l.counts.deepest = max(l.counts.deepest, l.bytes)
	l.advance(now)
}

// unlucky draws the next packet's lot. Bursts are Gilbert's: a chance to enter
// one and a chance to leave it, such that the share of all packets is right.
func (l *link) unlucky() bool {
	p, mean := l.set.loss, l.set.burst
	switch {
	case p <= 0 || p >= 1:
		l.losing = p >= 1
	case mean <= 1:
		l.losing = l.random.Float64() < p
	case l.losing:
		l.losing = l.random.Float64() >= 1/mean
	default:
		l.losing = l.random.Float64() < p/(mean*(1-p))
	}
	return l.losing
}

// leaves says when the first packet that waits will have left the queue.
func (l *link) leaves() time.Time {
	head := l.waiting[0]
	start := head.at
	if l.free.After(start) {
		start = l.free
	}
	if l.set.rate <= 0 {
		return start
	}
	return start.Add(time.Duration(float64(len(head.data)) * 8 / l.set.rate * float64(time.Second)))
}

// advance sends on their way the packets that have left the queue by now.
func (l *link) advance(now time.Time) {
	for len(l.waiting) > 0 {
		left := l.leaves()
		if left.After(now) {
			return
		}
		p := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.bytes -= len(p.data)
		l.free = left
		p.at = left.Add(l.way())
		if n := len(l.flying); n > 0 && l.flying[n-1].at.After(p.at) {
			p.at = l.flying[n-1].at
		}
		l.flying = append(l.flying, p)
	}
}

// way draws how long one packet is on its way.
func (l *link) way() time.Duration {
	d := l.set.delay
	if l.set.jitter > 0 {
		d += time.Duration((l.random.Float64()*2 - 1) * float64(l.set.jitter))
	}
	return max(d, 0)
}

// due returns the packets that have arrived by now, and when to ask again:
// the zero time when nothing is inside.
func (l *link) due(now time.Time) (arrived [][]byte, next time.Time) {
	l.advance(now)
	for len(l.flying) > 0 && !l.flying[0].at.After(now) {
		arrived = append(arrived, l.flying[0].data)
		l.flying = l.flying[1:]
	}
	l.counts.passed += int64(len(arrived))
	if len(l.waiting) > 0 {
		next = l.leaves()
	}
	if len(l.flying) > 0 && (next.IsZero() || l.flying[0].at.Before(next)) {
		next = l.flying[0].at
	}
	return arrived, next
}
