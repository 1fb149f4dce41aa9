package egress

import "time"

const (
	rewindAfter  = 150 * time.Millisecond // without a keyframe; receivers ask every 200 ms
	rewindWithin = 5 * time.Second        // of a viewer's beginning
	rewindEvery  = time.Second            // at most
)

// rewinds decides when a viewer gets the last keyframe again, and what followed.
// The zero rewinds is of one that has not begun.
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

// wished takes a viewer's wish for a keyframe, of which the last has some number.
// It tells whether that one may help: another has been asked for and has not come,
// as from encoders by RTMP, RTSP and SRT, which make none on request.
func (w *rewinds) wished(keyframe uint64, now time.Time) bool {
	switch {
	case now.After(w.until):
		return false
	case w.keyframe != keyframe || w.asked.IsZero():
		w.keyframe, w.asked = keyframe, now
		return false
	}
	return now.Sub(w.asked) >= rewindAfter
}

// due tells whether what has come for so long may be sent again, and takes it as
// done. So at most as much is sent again as the stream itself has.
func (w *rewinds) due(length time.Duration, now time.Time) bool {
	if now.Before(w.next) {
		return false
	}
	w.next = now.Add(max(length, rewindEvery))
	return true
}

// wish takes a viewer's wish for a keyframe. A receiver that has lost the
// beginning of what it was sent, such as what came before its keys were ready,
// has no picture before the next keyframe, which may be far. It need not catch up
// first: that can take longer than its share of wishes lasts.
func (l *lane) wish(now time.Time) {
	k, ok := l.track.Ring().Keyframe()
	if ok && !l.waiting && (!l.history.again || !l.history.catching) && l.asking.rewinds.wished(k, now) {
		l.rewind(now)
	}
}

// rewind sends what came since the last keyframe again, or what the viewer has
// missed of it. To the receiver these are other packets, later than those before.
func (l *lane) rewind(now time.Time) {
	r := l.track.Ring()
	k, ok := r.Keyframe()
	if !ok || l.mute || l.packets == 0 {
		return
	}
	key := r.Get(k)
	if key == nil || !l.asking.rewinds.due(time.Duration(now.UnixNano()-key.Arrival), now) {
		return
	}
	h := history{catching: true}
	if last := r.Get(l.next - 1); last != nil {
		h.again, h.out = true, l.history.stamp(last)
	}
	l.numbers.Forget()
	l.replay(k, h)
}
