package egress

import (
	"time"

	"github.com/heliograph/heliograph/server/media"
)

const (
	maxBends = 6  // more changes of pace than a newcomer's path has
	squeeze  = 32 // fold, at most
)

// history is what a viewer is sent until it has caught up with the stream. Its
// packets leave as fast as the path takes them, and their timestamps are squeezed
// to fit: they grow as fast as the packets leave and meet the stream's own where
// the viewer catches up. So the viewer's receiver plays them as they come, and
// takes none for late, for which it would keep a longer buffer from then on. The
// zero history is none.
type history struct {
	catching bool   // the viewer has not caught up
	until    uint64 // number in the ring from which on timestamps are the stream's own; known once it has
	bends    [maxBends]bend
	n        int
	each     time.Duration // time for a packet that the newest bend was made for
	in, out  uint32        // timestamps of the newest packet that was sent: its own, and as sent
	again    bool          // the viewer has got it before; out is then known from the beginning
}

// bend is where timestamps begin to be squeezed by some factor: in becomes out,
// and end stays what it is, as all that follows.
type bend struct {
	from         uint64 // number in the ring
	in, out, end uint32
}

// stamp returns the timestamp that a packet is sent with, however often it is: a
// bend is only ever made for packets that were not sent yet.
func (h *history) stamp(p *media.Packet) uint32 {
	if h.n == 0 || !h.catching && p.Seq >= h.until {
		return p.Timestamp
	}
	i := h.n - 1
	for i > 0 && p.Seq < h.bends[i].from {
		i--
	}
	b := &h.bends[i]
	left := int64(int32(b.end - p.Timestamp))
	if left <= 0 {
		return p.Timestamp
	}
	return b.end - uint32(left*int64(int32(b.end-b.out))/int64(int32(b.end-b.in)))
}

// first is stamp for a packet that is sent for the first time.
func (h *history) first(p *media.Packet) uint32 {
	stamp := h.stamp(p)
	if h.n > 0 && p.Seq >= h.bends[h.n-1].from {
		h.in, h.out = p.Timestamp, stamp
	}
	return stamp
}

// shorten has a viewer who is behind go on at a keyframe newer than the one that
// it began at: where a frame ends, or at once when what follows is held no longer.
func (l *lane) shorten() {
	r := l.track.Ring()
	k, ok := r.Keyframe()
	if !ok || k <= l.next+trainSize {
		return
	}
	if p := r.Get(l.next - 1); p != nil && !p.Marker && r.Get(l.next) != nil {
		return
	}
	l.goOn(k)
	l.history.each = 0 // less is left than was planned for
}

// plan squeezes the timestamps of history for packets that leave one each so much
// time, and ends history where the viewer has caught up.
func (l *lane) plan(each time.Duration) {
	h, r := &l.history, l.track.Ring()
	next, newest := r.Get(l.next), r.Get(r.Head()-1)
	if next == nil || newest == nil {
		return
	}
	if h.n > 0 && int32(next.Timestamp-h.bends[h.n-1].end) >= 0 {
		h.catching, h.until = false, l.next
		return
	}
	each = max(each, perPacket/2)
	if h.n == maxBends || each > h.each*4/5 && each < h.each*5/4 {
		return
	}
	h.each = each
	b := bend{from: l.next, in: next.Timestamp, end: newest.Timestamp + l.takes(each)}
	least := uint32(max(int32(b.end-b.in), 0))/squeeze + 1
	if h.n > 0 { // go on from there
		b.in, b.out = h.in, h.out
	} else {
		b.out = earlier(newest.Timestamp+l.lasts(each), b.end-least)
		if h.again && int32(b.out-h.out) <= 0 {
			b.out = h.out + 1
		}
	}
	if int32(b.end-b.out) < int32(least) {
		b.end = b.out + least
	}
	if int32(b.end-b.in) > 0 {
		h.bends[h.n] = b
		h.n++
	}
}

// takes is how long it takes to catch up, by the stream's clock.
func (l *lane) takes(each time.Duration) uint32 {
	speed := 1 / each.Seconds()
	if own := l.interval(); own > 0 {
		speed = max(speed-1/own.Seconds(), speed/3) // the stream goes on meanwhile
	}
	waiting := max(int(l.track.Ring().Head()-l.next)-l.firstLeft(), 1)
	return uint32(float64(waiting) / speed * float64(l.codec.ClockRate))
}

// lasts is how long the first frame takes, by the stream's clock: its packets have
// one timestamp, and a receiver counts from the last of them.
func (l *lane) lasts(each time.Duration) uint32 {
	r, n := l.track.Ring(), 0
	for ; n < usual; n++ {
		if p := r.Get(l.next + uint64(n)); p == nil || p.Marker {
			break
		}
	}
	n = max(n-l.firstLeft(), 0)
	return uint32((time.Duration(n) * each).Seconds() * float64(l.codec.ClockRate))
}

// earlier returns the earlier of two timestamps.
func earlier(a, b uint32) uint32 {
	if int32(a-b) < 0 {
		return a
	}
	return b
}
