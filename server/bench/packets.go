package bench

import "encoding/binary"

// maxPayload keeps an RTP packet with its 12-byte header at 1,200 bytes, the
// size at which browsers and encoders cut.
const maxPayload = 1188

// RTP payload formats of H.264 (RFC 6184 table 3).
const (
	nalSTAPA = 24
	nalFUA   = 28
)

// frame is an access unit ready to be sent.
type frame struct {
	payloads [][]byte // one per RTP packet
	digitsAt int      // where the stamp's digits are in payloads[0]
	idr      bool
}

// packetise cuts an access unit into payloads as an encoder does: all of the
// same size but the last. The stamp's NAL is padded to fill the first packet,
// because a short one in front would make the frame look unlike a real one
// to a server that sends equal packets together.
func packetise(u accessUnit) frame {
	f := frame{idr: u.idr}
	head := append([][]byte(nil), u.params...)
	small, _ := stampNAL(0)
	if len(u.slices) == 1 && stapSize(head)+2+len(small)+2+len(u.slices[0]) <= maxPayload {
		f.digitsAt = f.appendHead(append(head, nil), len(small), u.slices[0])
		return f
	}
	if room := maxPayload - stapSize(head) - 2; len(head) > 0 && room >= len(small) {
		f.digitsAt = f.appendHead(append(head, nil), room, nil)
	} else {
		var nal []byte
		nal, f.digitsAt = stampNAL(maxPayload)
		f.payloads = append(f.payloads, nal)
		for _, p := range head {
			f.payloads = append(f.payloads, fragment(p)...)
		}
	}
	for _, s := range u.slices {
		f.payloads = append(f.payloads, fragment(s)...)
	}
	return f
}

// appendHead adds one STAP-A packet of the parameter sets, the stamp and
// maybe a slice. The nil entry in nals is the stamp's place.
func (f *frame) appendHead(nals [][]byte, stampSize int, slice []byte) (digitsAt int) {
	if slice != nil {
		nals = append(nals, slice)
	}
	packet := []byte{nalSTAPA | 3<<5}
	for _, nal := range nals {
		at := 0
		if nal == nil {
			nal, at = stampNAL(stampSize)
			digitsAt = len(packet) + 2 + at
		}
		packet = binary.BigEndian.AppendUint16(packet, uint16(len(nal)))
		packet = append(packet, nal...)
	}
	f.payloads = append(f.payloads, packet)
	return digitsAt
}

func stapSize(nals [][]byte) int {
	n := 1
	for _, nal := range nals {
		n += 2 + len(nal)
	}
	return n
}

// fragment cuts a NAL into FU-A payloads (RFC 6184 5.8), or leaves it whole
// if it fits into one packet.
func fragment(nal []byte) [][]byte {
	if len(nal) <= maxPayload {
		return [][]byte{nal}
	}
	var out [][]byte
	header, body := nal[0], nal[1:]
	first := byte(0x80)
	for len(body) > 0 {
		n := min(len(body), maxPayload-2)
		last := byte(0)
		if n == len(body) {
			last = 0x40
		}
		p := append(make([]byte, 0, n+2), header&0x60|nalFUA, first|last|header&0x1f)
		out = append(out, append(p, body[:n]...))
		body, first = body[n:], 0
	}
	return out
}

// eachNAL calls fn for every NAL that begins in an H.264 payload, with the
// NAL's type and what follows its header byte; of a fragmented NAL that is
// the first fragment's part.
func eachNAL(payload []byte, fn func(kind byte, body []byte)) {
	if len(payload) < 2 {
		return
	}
	switch kind := payload[0] & 0x1f; kind {
	case nalSTAPA:
		for b := payload[1:]; len(b) > 2; {
			n := int(binary.BigEndian.Uint16(b))
			if b = b[2:]; n == 0 || n > len(b) {
				return
			}
			fn(b[0]&0x1f, b[1:n])
			b = b[n:]
		}
	case nalFUA:
		if payload[1]&0x80 != 0 {
			fn(payload[1]&0x1f, payload[2:])
		}
	default:
		fn(kind, payload[1:])
	}
}

// rtpHeader is the part of an RTP header that is never encrypted and that a
// viewer looks at for every packet (RFC 3550 5.1).
type rtpHeader struct {
	ts, ssrc uint32
	seq      uint16
	pt       uint8
	marker   bool
}

// readRTP reads the header of an RTP packet; ok is false for RTCP (RFC 5761
// section 4) and everything that is not RTP.
func readRTP(b []byte) (h rtpHeader, ok bool) {
	if len(b) < 12 || b[0]>>6 != 2 || b[1] >= 192 && b[1] <= 223 {
		return h, false
	}
	return rtpHeader{
		pt:     b[1] & 0x7f,
		marker: b[1]&0x80 != 0,
		seq:    binary.BigEndian.Uint16(b[2:]),
		ts:     binary.BigEndian.Uint32(b[4:]),
		ssrc:   binary.BigEndian.Uint32(b[8:]),
	}, true
}

// rtpPayload returns what follows the header, its CSRCs and extensions, of a
// decrypted packet, without padding; nil if the packet is malformed.
func rtpPayload(b []byte) []byte {
	at := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < at+4 {
			return nil
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[len(b)-1])
	}
	if at > end {
		return nil
	}
	return b[at:end]
}
