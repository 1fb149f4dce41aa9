package clip

import "encoding/binary"

// maxPayload keeps an RTP packet with its 12-byte header at 1,200 bytes, the
// size at which browsers and encoders cut.
const maxPayload = 1188

// RTP payload formats of H.264 (RFC 6184 table 3).
const (
	nalSTAPA = 24
	nalFUA   = 28
)

// Frame is an access unit ready to be sent.
type Frame struct {
	Payloads [][]byte // one per RTP packet
	IDR      bool     // can be decoded without earlier ones
	digitsAt int      // where the stamp's digits are in Payloads[0]
}

// Stamp writes s over the frame's earlier stamp.
func (f *Frame) Stamp(s Stamp) { s.put(f.Payloads[0][f.digitsAt:]) }

// Packetise cuts an access unit into payloads as an encoder does: all of the
// same size but the last. The stamp's NAL is padded to fill the first packet,
// because a short one in front would make the frame look unlike a real one
// to a server that sends equal packets together.
func Packetise(u AccessUnit) Frame {
	f := Frame{IDR: u.IDR}
	head := append([][]byte(nil), u.Params...)
	small, _ := stampNAL(0)
	if len(u.Slices) == 1 && stapSize(head)+2+len(small)+2+len(u.Slices[0]) <= maxPayload {
		f.digitsAt = f.appendHead(append(head, nil), len(small), u.Slices[0])
		return f
	}
	if room := maxPayload - stapSize(head) - 2; len(head) > 0 && room >= len(small) {
		f.digitsAt = f.appendHead(append(head, nil), room, nil)
	} else {
		var nal []byte
		nal, f.digitsAt = stampNAL(maxPayload)
		f.Payloads = append(f.Payloads, nal)
		for _, p := range head {
			f.Payloads = append(f.Payloads, fragment(p)...)
		}
	}
	for _, s := range u.Slices {
		f.Payloads = append(f.Payloads, fragment(s)...)
	}
	return f
}

// appendHead adds one STAP-A packet of the parameter sets, the stamp and
// maybe a slice. The nil entry in nals is the stamp's place.
func (f *Frame) appendHead(nals [][]byte, stampSize int, slice []byte) (digitsAt int) {
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
	f.Payloads = append(f.Payloads, packet)
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

// EachNAL calls fn for every NAL that begins in an H.264 payload, with the
// NAL's type and what follows its header byte; of a fragmented NAL that is
// the first fragment's part.
func EachNAL(payload []byte, fn func(kind byte, body []byte)) {
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
