package egress

import (
	"sync"

	"github.com/pion/rtcp"
)

// maxLost bounds how many packets a viewer may ask for before it is answered.
const maxLost = 256

// lost is a packet that a viewer asks for again.
type lost struct {
	ssrc   uint32
	number uint16
}

// wishes are what a viewer asks for, from its packets to its shard. They are
// one letter and of one size, however fast the packets come: a flood of
// feedback grows nothing.
type wishes struct {
	// guarded by mu
	mu       sync.Mutex
	posted   bool // the shard knows that there is something
	keyframe bool
	lost     []lost
	spare    []lost // what the shard worked on last
}

// packets takes the numbers that a NACK names (RFC 4585 section 6.2.1) and
// returns how many there is room for.
func (w *wishes) packets(p *rtcp.TransportLayerNack) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := len(w.lost)
	for _, pair := range p.Nacks {
		pair.Range(func(number uint16) bool {
			if len(w.lost) < maxLost {
				w.lost = append(w.lost, lost{p.MediaSSRC, number})
			}
			return len(w.lost) < maxLost
		})
	}
	return len(w.lost) - before
}

func (w *wishes) newKeyframe() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keyframe = true
}

// unheard tells whether the shard has to be told; it is told once until take.
func (w *wishes) unheard() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.posted || len(w.lost) == 0 && !w.keyframe {
		return false
	}
	w.posted = true
	return true
}

// take empties the wishes. The list is the shard's until it calls take again.
func (w *wishes) take() (list []lost, keyframe bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	list, keyframe = w.lost, w.keyframe
	w.lost, w.spare = w.spare[:0], list
	w.posted, w.keyframe = false, false
	return list, keyframe
}
