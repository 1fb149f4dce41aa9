// Package seqmap renumbers the packets of a track for one viewer. A viewer that
// starts late or skips to a keyframe gets numbers without a gap, and a number
// that it asks for again leads back to the packet. It knows no packet.
package seqmap

import "math"

// spans is how many skips are remembered: more than a viewer can make within
// the time that its receiver asks for lost packets.
const spans = 8

type span struct {
	in, out uint64 // first number before and after renumbering
}

// Map maps a track's extended sequence numbers to a viewer's. The zero Map is
// empty; Start opens it.
type Map struct {
	spans [spans]span // ring buffer, newest at index n-1
	n     int         // spans ever made
	next  uint64      // after the highest number handed out
}

// Start makes in the next number to be sent, whatever came before: out follows
// without a gap. The first Start sets the first number handed out.
func (m *Map) Start(in, first uint64) {
	out := first
	if m.n > 0 || m.next > 0 {
		out = m.next
	}
	m.spans[m.n%spans] = span{in, out}
	m.n++
	m.next = out
}

// Forget drops what was renumbered so far: other packets follow, whose numbers
// have nothing to do with those before. The viewer's numbers go on.
func (m *Map) Forget() { *m = Map{next: m.next} }

// Out returns the viewer's number of a packet; ok is false for a packet that
// was skipped or lies before all that is remembered.
func (m *Map) Out(in uint64) (out uint64, ok bool) {
	limit := uint64(math.MaxUint64) // where the span after the one looked at begins
	for i := m.n - 1; i >= max(0, m.n-spans); i-- {
		s := m.spans[i%spans]
		if in >= s.in {
			out = s.out + (in - s.in)
			if out >= limit {
				return 0, false
			}
			m.next = max(m.next, out+1)
			return out, true
		}
		limit = s.out
	}
	return 0, false
}

// In returns the packet that was sent under the low 16 bits of a viewer's
// number; ok is false for numbers not handed out or no longer remembered.
func (m *Map) In(out16 uint16) (in uint64, ok bool) {
	behind := uint64(uint16(m.next) - out16)
	if behind == 0 || behind > m.next || behind >= 1<<15 {
		return 0, false
	}
	out := m.next - behind
	for i := m.n - 1; i >= max(0, m.n-spans); i-- {
		if s := m.spans[i%spans]; out >= s.out {
			return s.in + (out - s.out), true
		}
	}
	return 0, false
}
