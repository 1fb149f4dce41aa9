package bench

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/bench/clip"
	"github.com/heliograph/heliograph/server/bench/feedback"
)

const (
	inFlight     = 16                     // frames whose packets may come mixed
	learnFrames  = 60                     // frames at the start that are decrypted in full
	sampleMask   = 63                     // later one packet of 64 is, to see that they still decrypt
	stallAfter   = 200 * time.Millisecond // without a whole frame
	requestAgain = 500 * time.Millisecond // between two requests for a keyframe
)

// tally is what all viewers measure together in one span of time.
type tally struct {
	latency histogram // from the publisher's first write to the arrival of the last packet
	lag     histogram // from a packet's arrival in the kernel to its reading here
}

// receiver follows the media of one viewer. Packets come to it twice: all of
// them encrypted (packet), and the few that are worth it decrypted
// (decrypted). The header tells sequence, timestamp and the end of a frame;
// only the stamp and the kind of frame need the payload.
type receiver struct {
	// set at construction
	tally   *atomic.Pointer[tally]
	wantKey chan struct{} // a frame came, but no keyframe yet
	ready   chan struct{} // closed at the first decodable frame

	// set before the first packet
	transportID uint8 // header extension with transport-wide numbers, 0 for none

	mu sync.Mutex
	// guarded by mu
	video, audio sequence
	frames       frameLine
	join         joinState
	packets      packetCounts
	feedback     feedback.Transport
	sent         sentBack
}

// frameLine are the frames of one viewer, as they arrive.
type frameLine struct {
	slots     [inFlight]slot
	next      int   // slot of the next frame
	seen      int   // frames that have begun
	depth     int   // packets at the start of a frame that may hold the stamp
	stamped   bool  // the server leaves the stamps in
	lastWhole int64 // arrival of the latest whole frame
	counts    frameCounts
}

// joinState are the moments of a join, in ns of Unix time; 0 before they come.
type joinState struct {
	first      int64 // arrival of the first packet
	decodable  int64 // first whole keyframe
	paramsSeen bool
}

// packetCounts count media packets.
type packetCounts struct {
	total  uint64 // since the start
	passed uint64 // to be decrypted, since the last mark
	opened uint64 // of those, decrypted
}

// slot is a frame that is arriving.
type slot struct {
	ts        uint32
	packets   int64
	low, last int64 // extended sequence numbers; last is 0 until the marker came
	arrived   int64 // latest packet
	stamp     clip.Stamp
	whole     bool
	counted   bool // in the latency
	key       bool
}

// frameCounts are the frames of one viewer since the last mark.
type frameCounts struct {
	whole   uint64
	stalls  uint64
	longest time.Duration // between two whole frames
}

func newReceiver(t *atomic.Pointer[tally]) *receiver {
	return &receiver{tally: t, wantKey: make(chan struct{}, 1), ready: make(chan struct{}), frames: frameLine{depth: 1}}
}

// packet takes one RTP packet, at its arrival in ns of Unix time. It returns
// whether it is worth decrypting.
func (r *receiver) packet(b []byte, arrived int64) bool {
	h, ok := readRTP(b)
	if !ok {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if number, ok := feedback.Number(b, r.transportID); ok {
		r.feedback.Note(number, arrived)
	}
	if h.pt != ptVideo && h.pt != ptOpus {
		return false
	}
	if r.join.first == 0 {
		r.join.first = arrived
	}
	r.packets.total++
	pass := r.join.decodable == 0 || r.frames.seen < learnFrames || h.seq&sampleMask == 0
	if h.pt == ptOpus {
		r.audio.add(h, len(b))
	} else if ext, fresh := r.video.add(h, len(b)); fresh {
		s := r.slot(h.ts, ext)
		s.packets++
		s.low, s.arrived = min(s.low, ext), max(s.arrived, arrived)
		if h.marker {
			s.last = ext
			r.tally.Load().lag.add(time.Duration(time.Now().UnixNano() - arrived))
		}
		pass = pass || int(ext-s.low) < r.frames.depth
		r.settle(s)
	}
	if pass {
		r.packets.passed++
	}
	return pass
}

// slot finds the frame of a timestamp, or begins it with packet ext.
func (r *receiver) slot(ts uint32, ext int64) *slot {
	if s := r.find(ts); s != nil {
		return s
	}
	s := &r.frames.slots[r.frames.next]
	r.frames.next = (r.frames.next + 1) % inFlight
	r.frames.seen++
	*s = slot{ts: ts, low: ext}
	return s
}

func (r *receiver) find(ts uint32) *slot {
	for i := range r.frames.slots {
		if s := &r.frames.slots[i]; s.ts == ts && s.packets > 0 {
			return s
		}
	}
	return nil
}

// settle takes note of a frame that has become whole, stamped or both. Where
// there are stamps, one without has lost its first packet and is not whole.
func (r *receiver) settle(s *slot) {
	all := s.last != 0 && s.packets == s.last-s.low+1
	if all && !s.whole && (s.stamp.SentNs != 0 || !r.frames.stamped) {
		s.whole = true
		r.wholeFrame(s.arrived)
	}
	if !s.whole {
		return
	}
	if s.stamp.SentNs != 0 && !s.counted {
		s.counted = true
		r.tally.Load().latency.add(time.Duration(s.arrived - s.stamp.SentNs))
	}
	if s.key && r.join.paramsSeen && r.join.decodable == 0 {
		r.join.decodable = time.Now().UnixNano()
		close(r.ready)
	}
}

func (r *receiver) wholeFrame(arrived int64) {
	r.frames.counts.whole++
	r.gap(arrived)
	r.frames.lastWhole = max(r.frames.lastWhole, arrived)
}

// gap counts the time since the latest whole frame as a stall if it was long.
func (r *receiver) gap(now int64) {
	if r.frames.lastWhole == 0 {
		return
	}
	d := time.Duration(now - r.frames.lastWhole)
	if d > stallAfter {
		r.frames.counts.stalls++
	}
	r.frames.counts.longest = max(r.frames.counts.longest, d)
}

// decrypted takes a packet in the clear; b is not kept.
func (r *receiver) decrypted(b []byte) {
	h, ok := readRTP(b)
	if !ok || h.pt != ptVideo && h.pt != ptOpus {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.packets.opened++
	if h.pt == ptOpus {
		return
	}
	s := r.find(h.ts)
	if s == nil {
		return // so late that its slot has a newer frame
	}
	begins := false
	clip.EachNAL(rtpPayload(b), func(kind byte, body []byte) {
		switch kind {
		case clip.NALSEI:
			if t, ok := clip.ReadStamp(body); ok {
				s.stamp, r.frames.stamped = t, true
				r.frames.depth = max(r.frames.depth, 1+int(h.seq-uint16(s.low)))
			}
		case clip.NALSPS:
			r.join.paramsSeen = true
		case clip.NALIDR:
			s.key = true
		case clip.NALSlice:
			begins = true
		}
	})
	r.settle(s)
	if begins && r.join.decodable == 0 {
		select {
		case r.wantKey <- struct{}{}:
		default:
		}
	}
}

// total is how many media packets came since the start.
func (r *receiver) total() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.packets.total
}

// mark starts a new span of time at now.
func (r *receiver) mark(now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.video.mark()
	r.audio.mark()
	r.frames.counts = frameCounts{}
	r.packets.passed, r.packets.opened = 0, 0
	r.sent = sentBack{}
	if r.frames.lastWhole != 0 {
		r.frames.lastWhole = now // what was missing before is not counted again
	}
}

// reading is what one viewer has measured since mark.
type reading struct {
	video, audio counts
	bytes        uint64
	frames       frameCounts
	packets      packetCounts
	sent         sentBack
}

// read returns the counts at now. A stall that still lasts is counted.
func (r *receiver) read(now int64) reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.frames.counts
	r.gap(now)
	out := reading{
		video: r.video.counts(), audio: r.audio.counts(), bytes: r.video.bytes + r.audio.bytes,
		frames: r.frames.counts, packets: r.packets, sent: r.sent,
	}
	r.frames.counts = kept
	return out
}
