package hub

import (
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// clock maps a track's RTP timestamps to the server's clock. Before the first
// sender report a timestamp is the time when its packet came; afterwards the
// publisher's own statement rules, shifted by what its clock differs.
type clock struct {
	rate  uint32
	known bool
	stamp uint32 // a timestamp ...
	at    int64  // ... and its moment on the server's clock, ns
	exact bool   // from a sender report
}

// publisherClock estimates how far a publisher's clock is from ours: the
// smallest difference of late, because what a report is delayed on its way only
// ever adds.
type publisherClock struct {
	mu     sync.Mutex
	recent [8]int64 // ns
	n      int
}

func (c *publisherClock) offset(difference int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent[c.n%len(c.recent)] = difference
	c.n++
	least := difference
	for _, d := range c.recent[:min(c.n, len(c.recent))] {
		least = min(least, d)
	}
	return least
}

func (c *clock) restart(rate uint32) { *c = clock{rate: rate} }

// packet learns from a packet's arrival, in ns.
func (c *clock) packet(stamp uint32, arrival int64) {
	if c.exact {
		return
	}
	if !c.known || arrival < c.moment(stamp) { // the least delayed packet is nearest to the truth
		c.known, c.stamp, c.at = true, stamp, arrival
	}
}

// report learns from a sender report got at arrival.
func (c *clock) report(p *publisherClock, ntp uint64, stamp uint32, arrival int64) {
	theirs := media.NTPUnixNano(ntp)
	c.known, c.exact = true, true
	c.stamp, c.at = stamp, theirs+p.offset(arrival-theirs)
}

// anchor learns from a source that knows its own clock and ours.
func (c *clock) anchor(stamp uint32, at time.Time) {
	c.known, c.exact = true, true
	c.stamp, c.at = stamp, at.UnixNano()
}

// moment returns the server's time of a timestamp near the known one, ns.
func (c *clock) moment(stamp uint32) int64 {
	return c.at + int64(int32(stamp-c.stamp))*1e9/int64(c.rate)
}

func (c *clock) stampAt(now int64) (uint32, bool) {
	if !c.known || c.rate == 0 {
		return 0, false
	}
	return c.stamp + ticks(now-c.at, c.rate), true
}

// ticks returns what a clock of rate Hz counts in passed ns, modulo 2^32. In
// one multiplication that overflows after a day.
func ticks(passed int64, rate uint32) uint32 {
	seconds, rest := passed/1e9, passed%1e9
	return uint32(seconds*int64(rate) + rest*int64(rate)/1e9)
}
