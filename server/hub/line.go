package hub

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
}

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
	stamp = p.Timestamp + l.stampOffset
	if step > 0 || seq == l.last {
		l.last, l.lastIn, l.stamp, l.arrival = seq, p.Seq, stamp, p.Arrival.UnixNano()
	}
	return seq, stamp
}

// begin starts a publication's stretch of the line.
func (l *line) begin(p Incoming, head uint64, rate uint32) {
	stamp := p.Timestamp
	if l.ever {
		passed := max(p.Arrival.UnixNano()-l.arrival, 0)
		stamp = l.stamp + max(ticks(passed, rate), 1)
	}
	l.stampOffset = stamp - p.Timestamp
	l.last, l.lastIn = head, p.Seq
	l.begun, l.ever = true, true
}
