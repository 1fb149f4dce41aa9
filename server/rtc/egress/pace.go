package egress

import "time"

// A burst at the speed of the server's own network overruns the queue of a slow
// access link, and a keyframe is many bursts. So video leaves in trains of at
// most trainSize packets (20 kB), which any link takes, and a viewer's next
// train waits until the one before has had its time: 250 µs for each packet,
// which is about 38 Mbit/s, or more on a path that is known to be narrower. More
// than 64 packets at once, a large keyframe, are a sign of a wider link and go up
// to twice as fast where nothing else is known. Frames of an ordinary stream fit
// into one train and never wait.
const (
	trainSize = 16 // packets in one system call
	perPacket = 250 * time.Microsecond
	spread    = 16 * time.Millisecond // in which a large keyframe is to be sent
)

// pace spaces the trains of one viewer. The zero pace lets a train go at once.
type pace struct {
	free time.Duration // on the shard's clock: when all that was sent has had its time
	each time.Duration // time for a packet; 0 for that of a path that is wide, or not known
	full bool          // the path takes no more than that
}

// slowTrain is trainSize for a path that is full: its queue has little room.
const slowTrain = 4

// allow returns how many of the packets that wait may be sent now, and after
// what time to ask again if that is not all.
func (p *pace) allow(waiting int, now time.Duration) (n int, again time.Duration) {
	train, each := trainSize, p.each
	if p.full {
		train = slowTrain
	}
	if each == 0 {
		each = min(perPacket, max(perPacket/2, spread/time.Duration(max(waiting, 1))))
	}
	p.free = max(p.free, now)
	room := train - int((p.free-now+each-1)/each)
	if n = max(min(waiting, room), 0); n < min(waiting, train) { // a full train a little later is cheaper than two halves
		n = 0
	}
	p.free += time.Duration(n) * each
	if left := min(waiting-n, train); left > 0 {
		again = p.free - now - time.Duration(train-left)*each
	}
	return n, again
}

// busy tells whether a path that is full has enough to do with what was sent:
// to send again what it dropped would only have it drop more.
func (p *pace) busy(now time.Duration) bool {
	return p.full && p.free > now+slowTrain*p.each/2
}
