// Package ring keeps the last packets of one track so that any number of
// readers can send, resend and start from them. It knows no stream, no viewer
// and no codec.
//
// One goroutine at a time writes; readers take no lock. A packet is copied in
// once and never changes again: packets live in chunks that the garbage
// collector frees when the last slot or reader has let go, so a reader that
// falls behind sees a missing packet and never a torn one.
package ring

import (
	"sync/atomic"

	"github.com/heliograph/heliograph/server/media"
)

const (
	chunkPackets = 48
	chunkBytes   = 48 << 10
)

// chunk amortises allocation: one for about 48 packets.
type chunk struct {
	packets [chunkPackets]media.Packet
	bytes   []byte
	used    int
}

// Ring holds the newest packets of one track by sequence number.
type Ring struct {
	// set at construction
	slots []atomic.Pointer[media.Packet]
	mask  uint64

	// owned by the writer
	chunk *chunk
	frame uint64 // first sequence number of the newest frame
	stamp uint32 // timestamp of the newest frame
	begun bool

	// atomic
	head     atomic.Uint64
	tail     atomic.Uint64 // nothing before it is held, after Trim
	keyframe atomic.Uint64 // 1 + first sequence number of the newest keyframe
}

// New returns a ring of the given number of slots, a power of two, whose first
// packet is expected to have sequence number first.
func New(slots int, first uint64) *Ring {
	if slots <= 0 || slots&(slots-1) != 0 {
		slots = 1024
	}
	r := &Ring{slots: make([]atomic.Pointer[media.Packet], slots), mask: uint64(slots - 1)}
	r.head.Store(first)
	return r
}

// Head returns the sequence number after the newest packet's.
func (r *Ring) Head() uint64 { return r.head.Load() }

// Tail returns the lowest sequence number that may still be held.
func (r *Ring) Tail() uint64 {
	if head, n := r.head.Load(), uint64(len(r.slots)); head > n {
		return max(head-n, r.tail.Load())
	}
	return r.tail.Load()
}

// Trim lets go of what came before cutoff, ns as in Packet.Arrival, and before
// the newest keyframe: nobody begins there, and nobody asks for it again. Only
// the goroutine that calls Put may call it.
func (r *Ring) Trim(cutoff int64) {
	k, ok := r.Keyframe()
	if !ok {
		return
	}
	seq := r.Tail()
	for ; seq < k; seq++ {
		if p := r.Get(seq); p != nil {
			if p.Arrival >= cutoff {
				break
			}
			r.slots[seq&r.mask].Store(nil)
		}
	}
	r.tail.Store(seq)
}

// Get returns the packet of a sequence number, nil when it never came or is
// no longer held.
func (r *Ring) Get(seq uint64) *media.Packet {
	if p := r.slots[seq&r.mask].Load(); p != nil && p.Seq == seq {
		return p
	}
	return nil
}

// Keyframe returns where the newest keyframe begins, and whether that packet
// is still held.
func (r *Ring) Keyframe() (seq uint64, ok bool) {
	k := r.keyframe.Load()
	if k == 0 || r.Get(k-1) == nil {
		return 0, false
	}
	return k - 1, true
}

// Forget makes the keyframe index empty: what follows does not continue what
// is held, as when the codec changes.
func (r *Ring) Forget() { r.keyframe.Store(0) }

// Put stores a copy of p and returns it, or nil when p is a duplicate or too
// old to be held. Only one goroutine may call Put at a time.
func (r *Ring) Put(p media.Packet) *media.Packet {
	head := r.head.Load()
	if p.Seq+uint64(len(r.slots)) <= head || p.Seq < r.tail.Load() || (p.Seq < head && r.Get(p.Seq) != nil) {
		return nil // of what was let go, nobody knows whether it is the same again
	}
	late := p.Seq < head
	stored := r.copyIn(p)
	r.slots[p.Seq&r.mask].Store(stored)
	if !late {
		r.head.Store(p.Seq + 1)
	}
	r.index(stored, late)
	return stored
}

func (r *Ring) copyIn(p media.Packet) *media.Packet {
	c := r.chunk
	if c == nil || c.used == chunkPackets || cap(c.bytes)-len(c.bytes) < len(p.Payload) {
		c = &chunk{bytes: make([]byte, 0, max(r.chunkSize(len(p.Payload)), len(p.Payload)))}
		r.chunk = c
	}
	start := len(c.bytes)
	c.bytes = append(c.bytes, p.Payload...)
	stored := &c.packets[c.used]
	c.used++
	*stored = p
	stored.Payload = c.bytes[start:len(c.bytes):len(c.bytes)]
	return stored
}

// chunkSize keeps chunks of small packets (audio) small: a little over what
// 48 packets like this one need.
func (r *Ring) chunkSize(payload int) int {
	return min(chunkBytes, chunkPackets*payload*5/4)
}

// index notes where frames and keyframes begin. A frame begins where the
// timestamp changes; a keyframe may be known only by a later packet of it.
func (r *Ring) index(p *media.Packet, late bool) {
	start := r.frame
	switch {
	case late:
		start = r.frameStart(p)
	case !r.begun || p.Timestamp != r.stamp:
		r.begun, r.frame, r.stamp = true, p.Seq, p.Timestamp
		start = p.Seq
	}
	if p.Keyframe && start+1 > r.keyframe.Load() {
		r.keyframe.Store(start + 1)
	}
}

// frameStart walks back from a late packet to its frame's first packet.
func (r *Ring) frameStart(p *media.Packet) uint64 {
	seq := p.Seq
	for seq > 0 {
		q := r.Get(seq - 1)
		if q == nil || q.Timestamp != p.Timestamp {
			break
		}
		seq--
	}
	return seq
}
