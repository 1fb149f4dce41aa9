package feedback

import "time"

// When a path is taken to be full, and how fast it is sent to from then on. Loss
// alone says little, for a radio link loses packets at any rate; loss together
// with a queue that fills says that more is sent than leaves it. A queue that
// drops early keeps short, so that the limits of delay alone (patience, lagLimit)
// never see it.
const (
	fullLost  = 0.05                   // share of packets lost, while
	fullQueue = 50 * time.Millisecond  // they spend this in a queue
	longQueue = 250 * time.Millisecond // or so much twice in a row, with no loss at all: once, a browser may have been busy
	calmQueue = 20 * time.Millisecond  // below it the path can take more

	yield   = 0.85   // of what arrived is sent next, so that the queue empties
	quickly = 1.1    // by so much faster after each measurement of a calm path
	slowly  = 1.03   // or of one that has some queue, or was not
	used    = 0.7    // in full
	enough  = 2.0    // times the peak: the limit does not matter any more
	fading  = 0.97   // of the peak, with each measurement
	sinking = 0.8    // of the peak, with each by which the path is full
	few     = 4      // times less than the peak is little
	least   = 64_000 // bit/s

	someLost  = 0.003                   // share of packets lost that a burst may be the cause of
	gentleFor = int64(30 * time.Second) // after that
)

// limit is how fast a path that is full may be sent to. The zero limit is none.
type limit struct {
	rate   float64 // bit/s
	peak   float64 // of what arrived, bit/s, fading: at times little is sent
	gentle int64   // unix ns: until when the path is one that loses packets
	long   bool    // the last measurement found a long queue
}

// measured moves the limit by what a measurement says.
func (l *limit) measured(m *meter, now int64) {
	if m.lost > someLost {
		l.gentle = now + gentleFor
	}
	l.peak = max(m.rate, fading*l.peak)
	long := m.growth > longQueue && m.rate > l.peak/few // what little was sent did not fill the queue
	again := long && l.long
	l.long = long
	switch {
	case m.lost > fullLost && m.growth > fullQueue, again:
		l.rate = max(yield*max(m.rate, l.peak/few), least)
		l.peak *= sinking
		return
	case l.rate == 0, m.growth > fullQueue:
	case m.growth < calmQueue && m.rate > used*l.rate:
		l.rate *= quickly
	default:
		l.rate *= slowly
	}
	if l.rate > enough*l.peak {
		l.rate = 0
	}
}

// Limit is how fast, in bit/s, a path that is full may be sent to; 0 for a path
// that takes what is sent. Who sends no faster keeps its queue, and what does not
// fit waits where it can still be left out.
func (f *Flow) Limit() float64 { return f.limit.rate }

// Gentle tells whether the path has lost packets of late: then what a source
// sends at once is better spread.
func (f *Flow) Gentle(now int64) bool { return now < f.limit.gentle }
