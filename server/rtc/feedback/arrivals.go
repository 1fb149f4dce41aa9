package feedback

import "encoding/binary"

// What transport-wide feedback says of a packet.
const (
	notReceived = iota
	smallDelta
	largeDelta
)

// arrivals is one packet of transport-wide feedback (RTCP 205/15,
// draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1). It refers to
// the datagram. It is read in place: a chunk of two bytes stands for up to 8,191
// packets, and 1,200 bytes have cost 11 MB and 40 ms where a list of them is
// built.
type arrivals struct {
	base   uint16
	count  int
	at     uint32 // reference time, in units of 250 µs
	chunks []byte
	deltas []byte
}

// parseArrivals takes what follows the RTCP header. It refuses what does not
// have all the times that its chunks announce.
func parseArrivals(b []byte) (a arrivals, err error) {
	if len(b) < 16 {
		return a, ErrMalformed
	}
	a.base = binary.BigEndian.Uint16(b[8:])
	a.count = int(binary.BigEndian.Uint16(b[10:]))
	a.at = binary.BigEndian.Uint32(b[12:]) >> 8 << 8 // 64 ms are 256 units
	b = b[16:]
	used, times := 0, 0
	for left := a.count; left > 0; used += 2 {
		if used+2 > len(b) {
			return a, ErrMalformed
		}
		c := chunk(binary.BigEndian.Uint16(b[used:]))
		n, bytes, ok := c.cost(left)
		if !ok {
			return a, ErrMalformed
		}
		left -= n
		times += bytes
	}
	a.chunks, a.deltas = b[:used], b[used:]
	if times > len(a.deltas) {
		return a, ErrMalformed
	}
	return a, nil
}

// each calls f with the number and the time of arrival, in units, of every
// packet that has arrived, in the order of the numbers. Its work is bounded by
// the datagram: a run of packets that have arrived has a byte for each.
func (a arrivals) each(f func(number uint16, at uint32)) {
	number, left, at, deltas := a.base, a.count, a.at, a.deltas
	for b := a.chunks; len(b) > 0; b = b[2:] {
		c := chunk(binary.BigEndian.Uint16(b))
		n := min(c.len(), left)
		left -= n
		if c.run() && c.symbol(0) == notReceived {
			number += uint16(n)
			continue
		}
		for i := range n {
			switch c.symbol(i) {
			case smallDelta:
				at += uint32(deltas[0])
				deltas = deltas[1:]
				f(number, at)
			case largeDelta:
				at += uint32(int32(int16(binary.BigEndian.Uint16(deltas))))
				deltas = deltas[2:]
				f(number, at)
			}
			number++
		}
	}
}

// chunk says of some packets whether they have arrived.
type chunk uint16

func (c chunk) run() bool { return c&0x8000 == 0 }

// len is the number of packets.
func (c chunk) len() int {
	switch {
	case c.run():
		return int(c & 0x1fff)
	case c&0x4000 == 0:
		return 14
	}
	return 7
}

// symbol is what the chunk says of packet i.
func (c chunk) symbol(i int) int {
	switch {
	case c.run():
		return int(c >> 13 & 3)
	case c&0x4000 == 0:
		return int(c >> (13 - i) & 1)
	}
	return int(c >> (12 - 2*i) & 3)
}

// cost returns how many of the packets that are left the chunk is about and how
// many bytes of times it needs; ok is false when it says nothing or has a
// symbol that is reserved.
func (c chunk) cost(left int) (n, bytes int, ok bool) {
	n = min(c.len(), left)
	if n == 0 {
		return 0, 0, false
	}
	if c.run() {
		return n, n * c.symbol(0), c.symbol(0) <= largeDelta
	}
	for i := range n {
		if c.symbol(i) > largeDelta {
			return 0, 0, false
		}
		bytes += c.symbol(i) // small is 1 and takes one byte, large is 2 and takes two
	}
	return n, bytes, true
}
