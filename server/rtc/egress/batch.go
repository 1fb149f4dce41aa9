package egress

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

const (
	headerSize = 12       // of an RTP packet without extensions (RFC 3550 section 5.1)
	overhead   = 16       // the longest authentication tag that SRTP adds
	slabSize   = 32 << 10 // holds a train of the largest packets
	trainSize  = 16       // packets in one system call: a longer burst can overrun a slow link
)

// batch gathers the packets of one viewer, encrypts each into a slab and sends
// trains of equal size with one system call (UDP_SEGMENT; the last may be
// shorter).
type batch struct {
	engine *Engine
	slab   []byte
	to     netip.AddrPort
	out    *srtp.Context
	header rtp.Header // scratch

	start, end int // what lies unsent in the slab
	segment    int // size of the train's packets
	count      int
	closed     bool // a shorter packet has ended the train
	full       bool // the network refused a train since the last flush
}

// media adds a packet of a lane.
func (b *batch) media(l *lane, p *media.Packet) {
	number, ok := l.numbers.Out(p.Seq)
	if !ok {
		return
	}
	plain := b.room(headerSize + len(p.Payload))
	if plain == nil {
		return
	}
	putHeader(plain, p.Marker, l.payload.pt, uint16(number), l.stamp(p), l.ssrc)
	copy(plain[headerSize:], p.Payload)
	l.packets++
	l.octets += uint32(len(p.Payload))
	l.earn(len(p.Payload))
	b.add(plain)
}

// repeat adds a packet that the viewer asked for again: on the SSRC for
// retransmissions (RFC 4588 section 4) or, without one, exactly as it was sent,
// so that no SRTP index ever protects two different packets.
func (b *batch) repeat(l *lane, p *media.Packet, number uint16) {
	if l.payload.rtx == 0 {
		plain := b.room(headerSize + len(p.Payload))
		if plain != nil {
			putHeader(plain, p.Marker, l.payload.pt, number, l.stamp(p), l.ssrc)
			copy(plain[headerSize:], p.Payload)
			b.add(plain)
		}
		return
	}
	plain := b.room(headerSize + 2 + len(p.Payload))
	if plain == nil {
		return
	}
	putHeader(plain, p.Marker, l.payload.rtx, l.rtxSeq, l.stamp(p), l.rtxSSRC)
	binary.BigEndian.PutUint16(plain[headerSize:], number)
	copy(plain[headerSize+2:], p.Payload)
	l.rtxSeq++
	b.add(plain)
}

// putHeader writes an RTP header (RFC 3550 section 5.1).
func putHeader(b []byte, marker bool, pt uint8, seq uint16, stamp, ssrc uint32) {
	b[0], b[1] = 0x80, pt
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], stamp)
	binary.BigEndian.PutUint32(b[8:], ssrc)
}

// room returns space for a packet of n bytes, sending first what is in its
// way; nil for a packet that is larger than any datagram we take.
func (b *batch) room(n int) []byte {
	if n+overhead > len(b.slab) {
		return nil
	}
	if b.count == trainSize || b.closed || b.end+n+overhead > len(b.slab) {
		b.send()
	}
	return b.slab[b.end : b.end+n]
}

// add encrypts the packet that was written into room and makes it part of the
// train, or of the next one when its size does not fit.
func (b *batch) add(plain []byte) {
	sealed, err := b.out.EncryptRTP(plain[:0:len(plain)+overhead], plain, &b.header)
	if err != nil {
		b.engine.count.unsent.Inc()
		return
	}
	if b.count > 0 && len(sealed) > b.segment {
		next := b.end
		b.send()
		b.start, b.end = next, next
	}
	if b.count == 0 {
		b.segment = len(sealed)
	}
	b.closed = len(sealed) < b.segment
	b.end += len(sealed)
	b.count++
}

// send puts the train on its way and empties the slab.
func (b *batch) send() {
	if b.count > 0 {
		err := b.engine.port.SendSegments(b.slab[b.start:b.end], b.segment, b.to)
		if err != nil {
			b.full = b.full || errors.Is(err, port.ErrFull)
			b.engine.count.unsent.Add(uint64(b.count))
		} else {
			b.engine.count.packets.Add(uint64(b.count))
			b.engine.count.bytes.Add(uint64(b.end - b.start))
		}
	}
	b.start, b.end, b.count, b.segment, b.closed = 0, 0, 0, 0, false
}

// drop forgets what lies unsent.
func (b *batch) drop() {
	b.start, b.end, b.count, b.segment, b.closed, b.full = 0, 0, 0, 0, false, false
}

// flush sends what is left; false means that the network refused some of what
// was sent since the last flush.
func (b *batch) flush() bool {
	b.send()
	full := b.full
	b.full = false
	return !full
}
