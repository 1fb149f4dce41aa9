package ts

import "errors"

// Sizes and marks of a transport packet, section 2.4.3.2.
const (
	PacketSize = 188
	syncByte   = 0x47
	nullPID    = 0x1fff
)

// maxGarbage is how much may come without one good unit in between.
const maxGarbage = 256 << 10

// ErrGarbage says that what comes in is no transport stream.
var ErrGarbage = errors.New("this is no MPEG transport stream")

// packet is a transport packet, section 2.4.3.2.
type packet struct {
	pid     uint16
	start   bool // of a PES packet or section
	counter byte
	jump    bool // the counter may jump here
	stuffed bool // filled up, as the last packet of a PES packet is
	payload []byte
}

// parsePacket reads a packet of PacketSize bytes; ok is false for one that is
// damaged, scrambled or carries nothing.
func parsePacket(b []byte) (p packet, ok bool) {
	damaged, scrambled, control := b[1]&0x80 != 0, b[3]&0xc0 != 0, b[3]>>4&3
	p = packet{pid: uint16(b[1]&0x1f)<<8 | uint16(b[2]), start: b[1]&0x40 != 0, counter: b[3] & 0x0f, payload: b[4:]}
	if damaged || scrambled || p.pid == nullPID || control&1 == 0 {
		return packet{}, false
	}
	if control&2 != 0 { // an adaptation field comes first
		n := int(p.payload[0])
		if n >= len(p.payload)-1 {
			return packet{}, false
		}
		p.jump = n > 0 && p.payload[1]&0x80 != 0
		p.stuffed = stuffed(p.payload[:1+n])
		p.payload = p.payload[1+n:]
	}
	return p, true
}

// continuity follows the counter of one PID, section 2.4.3.3.
type continuity struct {
	begun bool
	last  byte
}

// next tells whether a packet is new, and whether some before it are missing.
func (c *continuity) next(p packet) (fresh, gap bool) {
	if !c.begun || p.jump {
		c.begun, c.last = true, p.counter
		return true, false
	}
	if p.counter == c.last {
		return false, false
	}
	gap = p.counter != (c.last+1)&0x0f
	c.last = p.counter
	return true, gap
}

// stuffed tells whether an adaptation field is longer than what it says.
func stuffed(field []byte) bool {
	if len(field) == 1 {
		return true
	}
	need, flags := 2, field[1]
	if flags&0x10 != 0 { // PCR
		need += 6
	}
	if flags&0x08 != 0 { // OPCR
		need += 6
	}
	if flags&0x07 != 0 { // what has a length of its own
		return false
	}
	return len(field) > need || flags == 0
}
