package ingest

import "encoding/binary"

// rtpPacket is a view of the parts of an RTP packet (RFC 3550 section 5.1)
// that the hub wants.
type rtpPacket struct {
	codec   uint8 // payload type
	seq     uint16
	stamp   uint32
	marker  bool
	payload []byte // without padding, of the buffer that was read
}

// parseRTP reads a packet; ok is false for one that is malformed. A packet
// of padding alone has an empty payload.
func parseRTP(b []byte) (p rtpPacket, ok bool) {
	const fixed = 12
	if len(b) < fixed || b[0]>>6 != 2 {
		return p, false
	}
	start, end := fixed+4*int(b[0]&0x0f), len(b)
	if b[0]&0x10 != 0 { // header extension
		if end < start+4 {
			return p, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	if start > end {
		return p, false
	}
	if b[0]&0x20 != 0 { // padding: the last byte counts itself
		n := int(b[end-1])
		if n == 0 || n > end-start {
			return p, false
		}
		end -= n
	}
	return rtpPacket{
		codec:   b[1] & 0x7f,
		seq:     binary.BigEndian.Uint16(b[2:]),
		stamp:   binary.BigEndian.Uint32(b[4:]),
		marker:  b[1]&0x80 != 0,
		payload: b[start:end],
	}, true
}

// closer closes the gaps that packets of padding alone leave: they carry
// nothing for viewers, whose players would wait for the missing numbers.
type closer struct {
	begun   bool
	newest  uint16     // highest number seen
	dropped [16]uint16 // numbers left out, oldest first
	n       int        // how many of them are used
	shift   uint16     // how many were left out before those
}

// drop leaves out number seq. One that comes after a later packet has gone out
// leaves its gap: what was numbered stays.
func (c *closer) drop(seq uint16) {
	if c.begun && int16(seq-c.newest) <= 0 {
		return
	}
	c.begun, c.newest = true, seq
	if c.n == len(c.dropped) {
		copy(c.dropped[:], c.dropped[1:])
		c.n--
		c.shift++
	}
	c.dropped[c.n] = seq
	c.n++
}

// number returns the number under which packet seq goes on.
func (c *closer) number(seq uint16) uint16 {
	if !c.begun || int16(seq-c.newest) > 0 {
		c.begun, c.newest = true, seq
	}
	shift := c.shift
	for _, d := range c.dropped[:c.n] {
		if int16(seq-d) > 0 {
			shift++
		}
	}
	return seq - shift
}
