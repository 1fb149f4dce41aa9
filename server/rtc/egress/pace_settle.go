package egress

import (
	"time"

	"github.com/heliograph/heliograph/server/rtc/feedback"
)

const (
	usual      = 256                    // packets over which the rate of a stream is taken
	usualLeast = 500 * time.Millisecond // and the time; a keyframe alone would look like a fast stream
	gentle     = 3                      // times that rate gets a path that has lost packets; what was sent at once is among the packets, so it is rather five
	catchingUp = 1.2                    // times that rate gets everybody who has to wait, or would never catch up

	firstPackets = 16   // what any path is sent at once: with the train that follows 40 kB, and a slow link's queue often holds 64
	unproved     = 7e6  // bit/s that a newcomer gets after these, until its path has shown what it carries
	share        = 0.9  // of what the path carries; sound and repeated packets need some
	headers      = 48   // bytes of a packet beside its payload
	likely       = 1200 // bytes of payload in a packet, before any was sent
)

// settle tells the lane's pace what is known of the viewer's path. One that is
// full gets what it takes, less what audio needs. One that is narrow gets what its
// narrowest link carries, so that no queue on the way overruns; of a newcomer's
// that is not known at first. One that has lost packets of late gets a keyframe no
// faster than gentle times the stream's own rate.
func (l *lane) settle(flow *feedback.Flow, now time.Time) {
	limit, room := flow.Limit(), flow.Room()
	l.pace.full = limit > 0 && l.packets > 0
	switch {
	case l.pace.full:
		l.pace.each = l.spacing(limit)
	case room > 0:
		l.pace.each = l.spacing(room)
	case l.history.catching:
		l.pace.each = l.spacing(unproved)
	default:
		l.pace.each = 0
	}
	if !l.pace.full {
		l.ease(flow, now)
	}
	if !l.history.catching {
		return
	}
	l.plan(l.pace.each)
	if room == 0 && l.firstLeft() > 0 {
		l.pace.each = 0
	}
}

// ease fits the spacing of packets to the stream's own rate. An ordinary frame on a
// wide path is nothing that needs it.
func (l *lane) ease(flow *feedback.Flow, now time.Time) {
	if l.pace.each <= perPacket/2 { // no narrower than what we send at most
		l.pace.each = 0
	}
	burst := l.track.Ring().Head()-l.next > trainSize
	if l.pace.each == 0 && !burst {
		return
	}
	own := l.interval()
	if own == 0 {
		return
	}
	l.pace.each = min(l.pace.each, time.Duration(float64(own)/catchingUp))
	if burst && flow.Gentle(now.UnixNano()) {
		l.pace.each = max(l.pace.each, perPacket, own/gentle)
	}
}

// firstLeft is how many packets a newcomer may be sent before anything is known
// of its path.
func (l *lane) firstLeft() int { return max(firstPackets-int(l.packets), 0) }

// spacing is the time that a packet needs on a path of some bit/s, less what is
// not the lane's.
func (l *lane) spacing(rate float64) time.Duration {
	size := float64(likely)
	if l.packets > 0 {
		size = float64(l.octets) / float64(l.packets)
	}
	return time.Duration((size + headers) * 8 / (share * rate) * float64(time.Second))
}

// interval is the mean time between the stream's packets; 0 while it is not known.
func (l *lane) interval() time.Duration {
	r := l.track.Ring()
	last := r.Head() - 1
	from := last - usual
	if k, ok := r.Keyframe(); ok && r.Get(from) == nil {
		from = k
	}
	newest, before := r.Get(last), r.Get(from)
	if newest == nil || before == nil || newest.Arrival-before.Arrival < int64(usualLeast) {
		return 0
	}
	return time.Duration(newest.Arrival-before.Arrival) / time.Duration(last-from)
}
