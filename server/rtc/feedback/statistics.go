package feedback

import (
	"sync"
	"time"
)

// Statistics are what is known of the path to one viewer. The zero value of
// what a viewer has not told is to be taken as unknown.
type Statistics struct {
	// Packets are the RTP packets that were sent, repeated ones included.
	Packets uint64
	// Bytes are those of Packets, RTP headers and authentication tags included.
	Bytes uint64
	// Repeated are the packets that were sent again.
	Repeated uint64

	// Reported is when the last receiver report came (RFC 3550 section 6.4.2).
	// This one and the next three are of video, or of audio if there is no video.
	Reported time.Time
	// Lost is the share of packets, 0 to 1, lost between the last two reports.
	Lost float64
	// Jitter is the mean deviation of the time between packets.
	Jitter time.Duration
	// RoundTrip is the time to the viewer and back.
	RoundTrip time.Duration

	// Heard is when the last transport-wide feedback came. What follows is of
	// about one second before it.
	Heard time.Time
	// BitRate is what arrived, in bit/s, counted as Bytes are.
	BitRate float64
	// PathLost is the share of packets, 0 to 1, that did not arrive.
	PathLost float64
	// DelayGrowth is how much longer packets were on their way than the quickest
	// of the last 10 to 20 s: the time that they spend in a queue.
	DelayGrowth time.Duration
}

// Statistics returns what was known when Show was called last, or when feedback
// made something new known. It may be called from anywhere.
func (f *Flow) Statistics() Statistics { return f.shown.get() }

// shown are statistics for other goroutines than the owner's.
type shown struct {
	// guarded by mu
	mu         sync.Mutex
	statistics Statistics
}

func (s *shown) get() Statistics {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.statistics
}

// Show makes the present state known to Statistics.
func (f *Flow) Show() {
	f.shown.mu.Lock()
	defer f.shown.mu.Unlock()
	s := &f.shown.statistics
	s.Packets, s.Bytes, s.Repeated = f.total.packets, f.total.bytes, f.total.repeated
	if m := &f.meter; m.heard != 0 {
		s.Heard = time.Unix(0, m.heard)
		s.BitRate, s.PathLost, s.DelayGrowth = m.rate, m.lost, m.growth
	}
}

// report makes a receiver report known.
func (s *shown) report(r Report, clockRate uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.statistics.Reported = r.Came
	s.statistics.Lost = float64(r.Lost) / 256
	if clockRate > 0 {
		s.statistics.Jitter = time.Duration(r.Jitter) * time.Second / time.Duration(clockRate)
	}
	if trip, ok := r.roundTrip(); ok {
		s.statistics.RoundTrip = trip
	}
}

const (
	measureFor = int64(time.Second)      // feedback is gathered before it is told
	quickFor   = int64(10 * time.Second) // half of the time for which the quickest packet counts
)

// meter makes figures of transport-wide feedback.
type meter struct {
	heard  int64  // when feedback last came; 0 for never
	since  int64  // beginning of what is measured now
	top    uint64 // after the highest number that ever arrived
	from   uint64 // top when the measurement began
	count  int64  // packets that have arrived since
	bytes  int64
	delay  delay
	rate   float64 // of the measurement before, bit/s
	lost   float64
	growth time.Duration
}

// begin is called for each piece of feedback; next is the number of the packet
// to be sent next.
func (m *meter) begin(next uint64, now int64) {
	if m.heard == 0 || now < m.since {
		*m = meter{since: now, top: m.top, from: m.top}
	}
	m.top, m.from = min(m.top, next), min(m.from, next)
	m.heard = now
}

// received counts one packet that has arrived.
func (m *meter) received(size int64) {
	m.count++
	m.bytes += size
}

// end tells whether a measurement is done; its figures are in m then.
func (m *meter) end(now int64) bool {
	took := now - m.since
	if took < measureFor {
		return false
	}
	m.rate = float64(m.bytes*8) / (float64(took) / float64(time.Second))
	m.lost = 0
	if sent := int64(m.top - m.from); sent > m.count { // fewer than counted: some came late
		m.lost = 1 - float64(m.count)/float64(sent)
	}
	m.growth = m.delay.growth(now)
	m.since, m.from, m.count, m.bytes = now, m.top, 0, 0
	return true
}

// delay compares times of arrival with times of sending. The two clocks have
// nothing to do with each other and drift apart, by some ms a minute at worst:
// only what changes within a short time says something.
type delay struct {
	origin      uint32 // the first offset; others are told from it
	begun       bool
	sum, count  int64
	quick       int64 // least since turned
	quickBefore int64 // least of the time before
	turned      int64 // unix ns
}

// add takes an offset: the time of a packet's arrival by the viewer's clock less
// the time of its sending by ours, in units.
func (d *delay) add(offset uint32) {
	if !d.begun {
		d.begun, d.origin = true, offset
	}
	from := int64(int32(offset - d.origin))
	d.sum += from
	d.count++
	d.quick = min(d.quick, from)
}

// growth returns how much longer than the quickest the packets since the last
// call took on average.
func (d *delay) growth(now int64) time.Duration {
	if d.count == 0 {
		return 0
	}
	mean := d.sum / d.count
	least := min(d.quick, d.quickBefore)
	if now-d.turned > quickFor {
		d.quickBefore, d.quick, d.turned = d.quick, mean, now
	}
	d.sum, d.count = 0, 0
	return time.Duration(max(mean-least, 0) * unitNanos)
}
