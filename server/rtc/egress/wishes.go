package egress

import (
	"encoding/binary"
	"sync"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/feedback"
)

// Bounds of what a viewer may ask for and tell before its shard turns to it.
const (
	maxLost     = 256  // packets
	maxFeedback = 2048 // bytes of transport-wide feedback, of which browsers send 40 to 300 at a time
)

// lost is a packet that a viewer asks for again.
type lost struct {
	ssrc   uint32
	number uint16
}

// wishes are what a viewer asks for and tells, from its packets to its shard.
// They are one letter and of one size, however fast the packets come: a flood of
// feedback grows nothing.
type wishes struct {
	// guarded by mu
	mu       sync.Mutex
	posted   bool // the shard knows that there is something
	keyframe bool
	lost     []lost
	news     news

	// the shard's until it calls take again
	spare []lost // what it worked on last
	told  news
}

// news is what a viewer tells of its path.
type news struct {
	numbered []byte                           // transport-wide feedback, each after its length in two bytes
	reports  [media.Video + 1]feedback.Report // the newest by kind of medium
}

// packets takes the numbers that a NACK names, its pairs of four bytes (RFC 4585
// section 6.2.1). It returns how many there are and how many there is room for.
func (w *wishes) packets(ssrc uint32, pairs []byte) (named, taken int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.lost)
	add := func(number uint16) {
		named++
		if len(w.lost) < maxLost {
			w.lost = append(w.lost, lost{ssrc, number})
		}
	}
	for ; len(pairs) >= 4; pairs = pairs[4:] {
		number := binary.BigEndian.Uint16(pairs)
		add(number)
		for bits := binary.BigEndian.Uint16(pairs[2:]); bits != 0; bits >>= 1 {
			number++
			if bits&1 != 0 {
				add(number)
			}
		}
	}
	return named, len(w.lost) - before
}

func (w *wishes) newKeyframe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keyframe = true
}

// numbered takes transport-wide feedback. If there is no room, older feedback
// makes it: the newest says where the path stands.
func (w *wishes) numbered(b []byte) {
	if len(b)+2 > maxFeedback {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.news.numbered)+2+len(b) > maxFeedback {
		w.news.numbered = w.news.numbered[:0]
	}
	w.news.numbered = binary.BigEndian.AppendUint16(w.news.numbered, uint16(len(b)))
	w.news.numbered = append(w.news.numbered, b...)
}

// report takes what a receiver report says of one lane.
func (w *wishes) report(k media.Kind, r feedback.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.news.reports[k] = r
}

// unheard tells whether the shard has to be told; it is told once until take.
func (w *wishes) unheard() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.posted || len(w.lost) == 0 && !w.keyframe && !w.news.some() {
		return false
	}
	w.posted = true
	return true
}

// take empties the wishes. The list, and what is told, are the shard's until it
// calls take again.
func (w *wishes) take() (list []lost, keyframe bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, keyframe = w.lost, w.keyframe
	w.lost, w.spare = w.spare[:0], list
	w.news, w.told = news{numbered: w.told.numbered[:0]}, w.news
	w.posted, w.keyframe = false, false
	return list, keyframe
}

func (n *news) some() bool {
	if len(n.numbered) > 0 {
		return true
	}
	for _, r := range n.reports {
		if !r.Came.IsZero() {
			return true
		}
	}
	return false
}

// each calls f with each piece of transport-wide feedback.
func (n *news) each(f func([]byte)) {
	for b := n.numbered; len(b) > 0; {
		size := 2 + int(binary.BigEndian.Uint16(b))
		f(b[2:size])
		b = b[size:]
	}
}
