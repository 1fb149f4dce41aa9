package bench

// Limits that tell a late packet from a stream that began anew, as in
// RFC 3550 A.1.
const (
	seqWindow  = 1024 // packets back in which a duplicate is recognised
	seqDropout = 3000 // packets ahead that still count as loss
)

// sequence counts what arrived of one RTP stream and what is missing, by its
// sequence numbers. It is owned by one viewer and guarded by its mutex.
type sequence struct {
	started  bool
	ssrc     uint32
	base     int64 // extended number of the first packet that counts
	top      int64 // highest extended number so far
	seen     [seqWindow / 64]uint64
	received uint64 // different packets since base
	doubles  uint64
	bytes    uint64
	earlier  counts // of streams that ended by a jump, since mark

	past, told counts       // until mark; until the latest receiver report
	sr         senderReport // the latest
}

// counts are packets of one kind over one span of time.
type counts struct {
	Expected   uint64 `json:"expected"`   // by sequence numbers
	Received   uint64 `json:"received"`   // different ones
	Lost       uint64 `json:"lost"`       // expected, but not received
	Duplicates uint64 `json:"duplicates"` // received more than once
}

func (c *counts) add(o counts) {
	c.Expected += o.Expected
	c.Received += o.Received
	c.Lost += o.Lost
	c.Duplicates += o.Duplicates
}

func (c counts) lossPercent() float64 {
	if c.Expected == 0 {
		return 0
	}
	return 100 * float64(c.Lost) / float64(c.Expected)
}

// add takes a packet of size bytes. It returns its extended number, and false
// for a duplicate.
func (s *sequence) add(h rtpHeader, size int) (int64, bool) {
	if !s.started {
		s.restart(h)
	}
	ext := s.top + int64(int16(h.seq-uint16(s.top)))
	if h.ssrc != s.ssrc || ext > s.top+seqDropout || ext <= s.top-seqWindow {
		s.earlier = s.counts()
		s.restart(h)
		ext = s.base
	}
	for ; s.top < ext; s.top++ {
		next := (s.top + 1) & (seqWindow - 1)
		s.seen[next/64] &^= 1 << (next % 64)
	}
	slot := ext & (seqWindow - 1)
	if s.seen[slot/64]&(1<<(slot%64)) != 0 {
		s.doubles++
		return ext, false
	}
	s.seen[slot/64] |= 1 << (slot % 64)
	s.bytes += uint64(size)
	if ext >= s.base {
		s.received++
	}
	return ext, true
}

// restart begins with packet h as the first one. The number is lifted by one
// turn, so that a packet sent before it has a positive number too.
func (s *sequence) restart(h rtpHeader) {
	first := int64(h.seq) + 1<<16
	s.started, s.ssrc = true, h.ssrc
	s.base, s.top = first, first-1
	s.seen, s.received, s.doubles = [seqWindow / 64]uint64{}, 0, 0
}

// mark forgets the counts, so that they start with the next packet.
func (s *sequence) mark() {
	s.past.add(s.counts())
	s.base, s.received, s.doubles, s.bytes, s.earlier = s.top+1, 0, 0, 0, counts{}
}

// all returns what arrived since the start.
func (s *sequence) all() counts {
	c := s.past
	c.add(s.counts())
	return c
}

// counts returns what arrived since mark.
func (s *sequence) counts() counts {
	if !s.started {
		return s.earlier
	}
	c := counts{Expected: uint64(max(0, s.top-s.base+1)), Received: s.received, Duplicates: s.doubles}
	c.Lost = c.Expected - min(c.Expected, c.Received)
	c.add(s.earlier)
	return c
}
