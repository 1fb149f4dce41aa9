package egress

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/seal"
)

const (
	headerSize    = 12       // of an RTP packet without extensions (RFC 3550 section 5.1)
	extensionSize = 8        // of the transport-wide sequence number in its block (RFC 8285 section 4.2)
	slabSize      = 32 << 10 // holds a train of the largest packets
)

// batch gathers the packets of one viewer, encrypts each into a slab and sends
// trains of equal size with one system call (UDP_SEGMENT; the last may be
// shorter).
type batch struct {
	// set at construction
	sender *port.Sender
	count  *counters
	slab   []byte

	// owned by the shard
	viewer *Viewer
	to     netip.AddrPort
	now    int64 // unix ns

	start, end int // what lies unsent in the slab
	segment    int // size of the train's packets
	packets    int
	closed     bool // a shorter packet has ended the train
	full       bool // the network refused a train since the last flush
}

// begin makes a viewer the one whose packets follow; what was gathered before
// has been flushed.
func (b *batch) begin(v *Viewer, to netip.AddrPort, now time.Time) {
	b.viewer, b.to, b.now = v, to, now.UnixNano()
}

// media adds a packet of a lane, padded to a payload of size bytes if it is
// shorter.
func (b *batch) media(l *lane, p *media.Packet, size int) {
	number, ok := l.numbers.Out(p.Seq)
	if !ok {
		return
	}
	size = max(size, len(p.Payload))
	plain := b.packet(l, size)
	if plain == nil {
		return
	}
	putHeader(plain, p.Marker, l.payload.pt, uint16(number), l.history.first(p), l.ssrc)
	h := b.extend(l, plain)
	payload := p.Payload
	if n := size - len(payload); n > 0 {
		copy(plain[h:], payload)
		pad(plain, n)
		payload = plain[h:]
	}
	l.packets++
	l.octets += uint32(len(p.Payload))
	l.earn(len(p.Payload))
	b.add(plain, h, payload, number)
}

// repeat adds a packet that the viewer asked for again: on the SSRC for
// retransmissions (RFC 4588 section 4) or, without one, exactly as it was sent,
// so that no SRTP index ever protects two different packets.
func (b *batch) repeat(l *lane, p *media.Packet) {
	number, ok := l.numbers.Out(p.Seq)
	if !ok {
		return
	}
	if l.payload.rtx == 0 {
		if plain := b.packet(l, len(p.Payload)); plain != nil {
			putHeader(plain, p.Marker, l.payload.pt, uint16(number), l.history.stamp(p), l.ssrc)
			b.add(plain, b.extend(l, plain), p.Payload, number)
		}
		return
	}
	plain := b.packet(l, 2+len(p.Payload))
	if plain == nil {
		return
	}
	putHeader(plain, p.Marker, l.payload.rtx, uint16(l.rtx.next), l.history.stamp(p), l.rtx.ssrc)
	h := b.extend(l, plain)
	binary.BigEndian.PutUint16(plain[h:], uint16(number))
	copy(plain[h+2:], p.Payload)
	b.add(plain, h, plain[h:], l.rtx.next)
	l.rtx.next++
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

// pad fills the last n bytes of a packet (RFC 3550 section 5.1).
func pad(b []byte, n int) {
	if n <= 0 {
		return
	}
	b[0] |= 0x20
	clear(b[len(b)-n:])
	b[len(b)-1] = byte(n)
}

// packet returns room for a packet of the lane with n bytes of payload; nil for
// one that is larger than any datagram we take.
func (b *batch) packet(l *lane, n int) []byte {
	if l.transportID != 0 {
		n += extensionSize
	}
	return b.room(headerSize + n)
}

// extend notes the packet on the viewer's path and, when the viewer reports on
// the lane's packets there, writes the transport-wide sequence number behind the
// header (draft-holmer-rmcat-transport-wide-cc-extensions-01). It returns the
// size of the whole header.
func (b *batch) extend(l *lane, plain []byte) (header int) {
	flow := &b.viewer.flow
	if l.transportID == 0 && flow.Tracked() { // a number that is never reported would look lost
		return headerSize
	}
	number := flow.Sent(len(plain)+seal.Overhead, b.now)
	if l.transportID == 0 {
		return headerSize
	}
	plain[0] |= 0x10
	e := plain[headerSize : headerSize+extensionSize]
	e[0], e[1], e[2], e[3] = 0xBE, 0xDE, 0, 1
	e[4], e[5], e[6], e[7] = l.transportID<<4|1, byte(number>>8), byte(number), 0
	return headerSize + extensionSize
}

// room returns space for a packet of n bytes, sending first what is in its
// way; nil for a packet that is larger than any datagram we take.
func (b *batch) room(n int) []byte {
	if n+seal.Overhead > len(b.slab) {
		return nil
	}
	if b.packets == trainSize || b.closed || b.end+n+seal.Overhead > len(b.slab) {
		b.send()
	}
	return b.slab[b.end : b.end+n]
}

// add seals the packet whose header was written into room, and makes it part of
// the train, or of the next one when its size does not fit.
func (b *batch) add(plain []byte, header int, payload []byte, index uint64) {
	sealed, err := b.viewer.out.RTP(plain[:len(plain):len(plain)+seal.Overhead], header, payload, index)
	if err != nil {
		b.count.unsent.Inc()
		return
	}
	if b.packets > 0 && len(sealed) > b.segment {
		next := b.end
		b.send()
		b.start, b.end = next, next
	}
	if b.packets == 0 {
		b.segment = len(sealed)
	}
	b.closed = len(sealed) < b.segment
	b.end += len(sealed)
	b.packets++
}

// send puts the train on its way and empties the slab.
func (b *batch) send() {
	if b.packets > 0 {
		err := b.sender.SendSegments(b.slab[b.start:b.end], b.segment, b.to)
		if err != nil {
			b.full = b.full || errors.Is(err, port.ErrFull)
			b.count.unsent.Add(uint64(b.packets))
		} else {
			b.count.packets.Add(uint64(b.packets))
			b.count.bytes.Add(uint64(b.end - b.start))
		}
	}
	b.start, b.end, b.packets, b.segment, b.closed = 0, 0, 0, 0, false
}

// drop forgets what lies unsent.
func (b *batch) drop() {
	b.start, b.end, b.packets, b.segment, b.closed, b.full = 0, 0, 0, 0, false, false
}

// flush sends what is left; false means that the network refused some of what
// was sent since the last flush.
func (b *batch) flush() bool {
	b.send()
	full := b.full
	b.full = false
	return !full
}
