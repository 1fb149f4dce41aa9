package ingest

import "time"

// Limits of one track: far above any camera, far below what hurts.
const (
	maxTrackBits    = 20e6 // per second
	maxTrackPackets = 5000 // per second
)

// bucket is a token bucket that holds one second's worth. It is not locked:
// one goroutine owns it.
type bucket struct {
	rate  float64 // per second
	level float64
	last  time.Time
}

func newBucket(perSecond float64) bucket { return bucket{rate: perSecond, level: perSecond} }

// take takes n at time now, or nothing when there is less.
func (b *bucket) take(n float64, now time.Time) bool {
	if !b.last.IsZero() {
		b.level = min(b.rate, b.level+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
	if b.level < n {
		return false
	}
	b.level -= n
	return true
}
