package feedback

import "time"

// How long packets may be on the path to a viewer.
const (
	// patience is how much older than the path's own delay the oldest packet
	// that is not acknowledged may become. Queues of access links hold less
	// than a second as a rule, and browsers acknowledge every 50 to 250 ms: what
	// takes longer lies in a queue that grows, and the picture is late already.
	patience = 1500 * time.Millisecond
	// lagLimit is the same for viewers that only send receiver reports: these
	// come once a second, and may be a second old when they are read.
	lagLimit = 3 * time.Second
	// A viewer that lost more than half of what was sent, in two reports in a
	// row, has no use for the rest: no picture survives it. One report alone can
	// be a moment without a network, and of a few packets, as a still screen has
	// in a second, half is soon lost by chance and sent again.
	halfLost    = 128 // of 256 (RFC 3550 section 6.4.1)
	halfReports = 2
	halfLeast   = 16 // packets that a report is about
)

// How sent packets are remembered. Which were sent when is known for 4 s, so
// that the limits above fit in however fast a stream is; of the newest packets
// also the size and the very time.
const (
	window    = 1024 // packets, a power of two; 4 s at 2 Mbit/s
	tick      = int64(time.Second / 16)
	ticks     = 64         // a power of two
	idleTicks = 8          // without a packet, and what is in flight is forgotten
	mostDelay = 16         // ticks of the path's own delay that patience is extended by
	unit      = int64(250) // µs: the clock of transport-wide feedback

	sizeBits  = 12
	sizeMask  = 1<<sizeBits - 1
	timeMask  = 1<<(32-sizeBits) - 1 // 262 s
	unitNanos = unit * int64(time.Microsecond)
)

// Flow is what is on its way to one viewer and what came of it. One goroutine
// owns it; Statistics may be called from others. All times are unix ns. The zero
// Flow is ready for a viewer that does not report on each packet.
type Flow struct {
	records *[window]uint32 // time and size of each packet; nil when the viewer does not report on them
	marks   [ticks]uint32   // low bits of the number that was next when a tick began
	tick    int64           // of the newest packet
	next    uint64          // number of the next packet
	acked   uint64          // after the highest number that is acknowledged or forgotten
	least   int64           // the least time that an acknowledgement took, in ns; 0 for none yet
	heard   bool            // something was acknowledged since Restart
	lagging bool            // so said a receiver report
	half    half
	total   totals
	meter   meter
	limit   limit
	room    room
	shown   shown
}

// half counts receiver reports in a row by which more than half was lost.
type half struct {
	row     int
	highest uint16 // number that the report before named
}

// take counts a report.
func (h *half) take(r Report) {
	if r.Lost > halfLost && r.Highest-h.highest >= halfLeast {
		h.row++
	} else {
		h.row = 0
	}
	h.highest = r.Highest
}

// totals are what was sent.
type totals struct{ packets, bytes, repeated uint64 }

// Track has packets remembered: transport-wide feedback was negotiated.
func (f *Flow) Track() { f.records = new([window]uint32) }

// Tracked tells whether Track was called.
func (f *Flow) Tracked() bool { return f.records != nil }

// Sent notes one RTP packet, a repeated one too, and returns its transport-wide
// sequence number. It allocates nothing.
func (f *Flow) Sent(size int, now int64) (number uint16) {
	if t := now / tick; t != f.tick {
		f.turn(t)
	}
	n := f.next
	f.next++
	if f.records != nil {
		f.records[n%window] = uint32(now/unitNanos)<<sizeBits | uint32(min(size, sizeMask))
	}
	f.total.packets++
	f.total.bytes += uint64(size)
	return uint16(n)
}

// turn begins a tick. After a pause, and when somebody has set the clock, what
// is in flight is forgotten: the last packet before a pause may be lost, and
// nothing acknowledges it until the next one comes.
func (f *Flow) turn(t int64) {
	if t < f.tick || t-f.tick > idleTicks {
		f.acked = f.next
	}
	for first := max(f.tick+1, t-ticks+1); first <= t; first++ {
		f.marks[first&(ticks-1)] = uint32(f.next)
	}
	f.tick = t
}

// Behind tells whether the path to the viewer holds more than it should, or
// gives so little of it that no picture can come of it. A viewer that never
// sends feedback is not judged.
func (f *Flow) Behind(now int64) bool {
	if f.lagging || f.half.row >= halfReports {
		return true
	}
	if f.records == nil || !f.heard || now/tick-f.tick > idleTicks {
		return false
	}
	own := min((f.least+tick-1)/tick, mostDelay)
	past := f.tick - int64(patience)/tick - own
	return int32(f.marks[past&(ticks-1)]-uint32(f.acked)) > 0
}

// Restart forgets what is in flight: the viewer is to begin anew at a keyframe.
// It is not judged again before something new is heard from it, so that a
// viewer whose feedback alone gets lost is not kept without pictures.
func (f *Flow) Restart() {
	f.acked = f.next
	f.heard, f.lagging, f.half.row = false, false, 0
}

// number returns the packet that was sent under the low 16 bits of its number;
// ok is false for one that was not sent, or too long ago.
func (f *Flow) number(low uint16) (n uint64, ok bool) {
	back := uint64(uint16(f.next) - low)
	if back == 0 || back > f.next || back >= 1<<15 {
		return 0, false
	}
	return f.next - back, true
}

// Acknowledge digests transport-wide feedback: the body of a Numbered message.
// What it says about packets that were never sent, or twice about one, counts
// for nothing. It returns ErrMalformed for what makes no sense.
func (f *Flow) Acknowledge(body []byte, now int64) error {
	a, err := parseArrivals(body)
	if err != nil || f.records == nil {
		return err
	}
	f.meter.begin(f.next, now)
	highest, arrived, some := uint64(0), uint32(0), false
	a.each(func(low uint16, at uint32) {
		n, ok := f.number(low)
		if !ok {
			return
		}
		f.arrived(n, at, now)
		if !some || n > highest {
			highest, arrived, some = n, at, true
		}
	})
	if some {
		f.heard = true
		f.advance(highest, arrived, now)
	}
	if f.meter.end(now) {
		f.limit.measured(&f.meter, now)
		f.Show()
	}
	return nil
}

// arrived counts a packet; each arrives once. One that is not remembered any
// more is taken for one of average size, and only in its order.
func (f *Flow) arrived(n uint64, at uint32, now int64) {
	if n+window < f.next {
		if n >= f.meter.top {
			f.meter.received(int64(f.total.bytes / f.total.packets))
		}
		return
	}
	r := &f.records[n%window]
	if size := *r & sizeMask; size > 0 {
		sent := f.sentAt(*r, now)
		f.meter.received(int64(size))
		f.meter.delay.add(at - uint32(sent))
		f.room.arrived(n, sent, at, int64(size))
		*r &^= sizeMask
	}
}

// advance notes the highest packet that one piece of feedback names, and when
// it arrived.
func (f *Flow) advance(highest uint64, arrived uint32, now int64) {
	f.meter.top = max(f.meter.top, highest+1)
	if highest+window < f.next {
		f.meter.delay.add(arrived - uint32(f.sentAbout(highest)))
	}
	if highest < f.acked {
		return
	}
	f.acked = highest + 1
	if highest+window < f.next {
		return
	}
	took := max(now-f.sentAt(f.records[highest%window], now)*unitNanos, 1)
	if f.least == 0 || took < f.least {
		f.least = took
	}
}

// sentAbout returns in the middle of which tick a packet was sent, in units.
func (f *Flow) sentAbout(n uint64) int64 {
	t := f.tick
	for t > f.tick-ticks+1 && int32(uint32(n)-f.marks[t&(ticks-1)]) < 0 {
		t--
	}
	return (t*tick + tick/2) / unitNanos
}

// sentAt returns when a remembered packet was sent, in units.
func (f *Flow) sentAt(record uint32, now int64) int64 {
	units := now / unitNanos
	return units - (units-int64(record>>sizeBits))&timeMask
}

// Reported digests a receiver report on the viewer's video, or on its audio when
// it has no video. lag is by how much the viewer was behind what was sent to it;
// it only matters without transport-wide feedback, which knows better. clockRate
// is that of the codec, in Hz.
func (f *Flow) Reported(r Report, lag time.Duration, clockRate uint32) {
	f.lagging = lag > lagLimit && f.meter.heard == 0
	f.half.take(r)
	f.shown.report(r, clockRate)
}

// Repeated notes that the packet sent last was a repeated one.
func (f *Flow) Repeated() { f.total.repeated++ }
