package egress

import "time"

const (
	rewindAfter  = 150 * time.Millisecond // without a keyframe; receivers ask every 200 ms
	rewindWithin = 5 * time.Second        // of a viewer's beginning
	rewindEvery  = time.Second            // at most
)

// rewinds decides when a viewer that begins gets the last keyframe again, and what
// followed. The zero rewinds is of one that has not begun.
type rewinds struct {
	until    time.Time // when the viewer's beginning is over
	keyframe uint64    // number in the ring of the last one when the viewer asked
	asked    time.Time // for another
	next     time.Time // when the viewer may be sent it all again
}

// begin notes that the viewer is sent its first packet.
func (w *rewinds) begin(now time.Time) {
	if w.until.IsZero() {
		w.until = now.Add(rewindWithin)
	}
}

// due takes a viewer's wish for a keyframe, of which the last has some number and
// came length ago. It tells whether to send that one again: another has been
// asked for and has not come, as from encoders by RTMP, RTSP and SRT, which make
// none on request. What is sent so is at most as much as the stream itself.
func (w *rewinds) due(keyframe uint64, length time.Duration, now time.Time) bool {
	switch {
	case now.After(w.until):
		return false
	case w.keyframe != keyframe || w.asked.IsZero():
		w.keyframe, w.asked = keyframe, now
		return false
	case now.Sub(w.asked) < rewindAfter || now.Before(w.next):
		return false
	}
	w.next = now.Add(max(length, rewindEvery))
	return true
}

// rewind takes a viewer's wish for a keyframe. A receiver that has lost the
// beginning of what it was sent, such as what came before its keys were ready,
// has no picture before the next keyframe, which may be far. It need not catch up
// first: that can take longer than its share of wishes lasts.
func (l *lane) rewind(now time.Time) {
	r := l.track.Ring()
	k, ok := r.Keyframe()
	if !ok || k >= l.next || l.waiting || l.mute || l.history.again && l.history.catching {
		return
	}
	key, last := r.Get(k), r.Get(l.next-1)
	if key == nil || last == nil || !l.asking.rewinds.due(k, time.Duration(now.UnixNano()-key.Arrival), now) {
		return
	}
	// To the receiver these are other packets, later than those before.
	h := history{catching: true, again: true, out: l.history.stamp(last)}
	l.next, l.holes = k, l.holes[:0]
	l.numbers.Forget()
	l.numbers.Start(k, 0)
	l.stretch, l.history = stretch{first: k, live: r.Head()}, h
}
