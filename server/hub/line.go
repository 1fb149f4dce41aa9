package hub

import "time"

// firstSeq leaves room below a stream's first packet for those that were
// reordered on their way: more than maxJump.
const firstSeq = 1 << 12

// maxJump is the largest step of sequence numbers within one publication; a
// larger one means that the source began anew.
const maxJump = 3000

// line puts the packets of one publication after another on one line: sequence
// numbers without a gap and timestamps that go on with the time that passed.
type line struct {
	begun       bool
	last        uint64 // highest sequence number handed out
	lastIn      uint16 // the source's number of that packet
	stamp       uint32 // its timestamp
	arrival     int64  // when it came, ns
	stampOffset uint32 // what is added to the source's timestamps
	ever        bool   // a publication has written before
	fixed       bool   // the source's timestamps are the line's already
}

// A timestamp that steps back by more than the first, or ahead of the time that
// passed by more than the second, is not a picture shown out of order or a late
// packet: the source has set its clock.
const (
	maxStepBack  = time.Second
	maxStepAhead = 2 * time.Second
)

// restart makes the next packet follow the last one, whatever its numbers.
func (l *line) restart() { l.begun = false }

// place returns a packet's number and timestamp on the line; head is the
// number after the newest packet's and rate the clock rate in Hz.
func (l *line) place(p Incoming, head uint64, rate uint32) (seq uint64, stamp uint32) {
	step := int64(int16(p.Seq - l.lastIn))
	if !l.begun || step > maxJump || step < -maxJump {
		l.begin(p, head, rate)
		step = 0
	}
	seq = uint64(int64(l.last) + step)
	if step > 0 || seq == l.last {
		l.last, l.lastIn = seq, p.Seq
		return seq, l.next(p.Timestamp, p.Arrival, rate)
	}
	return seq, p.Timestamp + l.stampOffset
}

// placeFrame returns a frame's timestamp on the line.
func (l *line) placeFrame(timestamp uint32, arrival time.Time, rate uint32) uint32 {
	if !l.begun {
		l.begin(Incoming{Timestamp: timestamp, Arrival: arrival}, 0, rate)
	}
	return l.next(timestamp, arrival, rate)
}

// next moves the line on to a timestamp of the source.
func (l *line) next(timestamp uint32, arrival time.Time, rate uint32) uint32 {
	at := arrival.UnixNano()
	stamp := timestamp + l.stampOffset
	passed := max(at-l.arrival, 0)
	step := int64(int32(stamp-l.stamp)) * 1e9 / int64(rate)
	if !l.fixed && (step < -int64(maxStepBack) || step-passed > int64(maxStepAhead)) {
		stamp = l.stamp + max(ticks(passed, rate), 1)
		l.stampOffset = stamp - timestamp
	}
	l.stamp, l.arrival = stamp, at
	return stamp
}

// begin starts a publication's stretch of the line.
func (l *line) begin(p Incoming, head uint64, rate uint32) {
	stamp, at := p.Timestamp, p.Arrival.UnixNano()
	if l.ever && !l.fixed {
		stamp = l.stamp + max(ticks(max(at-l.arrival, 0), rate), 1)
	}
	l.stampOffset = stamp - p.Timestamp
	l.stamp, l.arrival = stamp, at
	l.last, l.lastIn = head, p.Seq
	l.begun, l.ever = true, true
}
