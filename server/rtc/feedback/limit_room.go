package feedback

import "slices"

// What a path carries shows where packets arrive farther apart than they left: the
// narrowest link passes them as fast as it can. It shows in every train that leaves
// at once, without filling anything; in trains that follow while the link is still
// busy it shows the better, for receivers read packets by the heap.
const (
	trainLeast = 8  // packets that tell something
	trainNext  = 16 // and how many more tell it anew
	trainMost  = 64 // of these; paths change
	trainsKept = 5
)

// room is what the newest trains say that a path carries. The zero room knows
// nothing.
type room struct {
	train train
	rates [trainsKept]float64 // bit/s, as the newest trains told
	count int                 // of all that was told
	rate  float64             // bit/s; 0 for unknown
}

// train is what arrives now: packets that left before the link had passed those
// before them.
type train struct {
	sent        int64  // when its first packet left, in units
	next        uint64 // number after that of its newest packet
	packets     int
	told        int    // of these, when it told something last
	bytes       int64  // after its first packet
	first, last uint32 // when these arrived, in units
}

// arrived takes a packet, in the order of the numbers.
func (r *room) arrived(n uint64, sent int64, at uint32, size int64) {
	t := &r.train
	late := int64(int32(t.last - t.first)) // when the link had passed what came before
	if t.packets == 0 || t.packets == trainMost || n < t.next || sent < t.sent || sent-t.sent > late {
		r.tell(trainLeast)
		r.train = train{sent: sent, next: n + 1, packets: 1, first: at, last: at}
		return
	}
	t.next = n + 1
	t.packets++
	t.bytes += size
	if int32(at-t.last) > 0 {
		t.last = at
	}
	r.tell(trainNext)
}

// tell draws the train's lesson, if there are so many packets more than it told of
// before. The median of the newest counts, for a receiver that reads late sees many
// packets at once and one that stops sees them far apart; of two the lesser.
func (r *room) tell(more int) {
	t := &r.train
	if t.packets-t.told < more {
		return
	}
	t.told = t.packets
	took := max(int64(int32(t.last-t.first)), 1) * unitNanos
	r.rates[r.count%trainsKept] = float64(t.bytes*8) / float64(took) * 1e9
	r.count++
	newest := r.rates
	n := min(r.count, trainsKept)
	slices.Sort(newest[:n])
	r.rate = max(newest[(n-1)/2], least)
}

// Room is what the path is known to carry, in bit/s of what Sent is told; 0 while
// nothing is known.
func (f *Flow) Room() float64 { return f.room.rate }
