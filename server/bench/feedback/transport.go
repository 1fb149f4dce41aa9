package feedback

import "encoding/binary"

const (
	feedbackSpan = 1024 // packets back that feedback can tell of; a power of two
	maxFeedback  = 512  // packets that one feedback tells of
	feedbackTick = 250_000
	noArrival    = 0
)

// Symbols of feedback for one packet
// (draft-holmer-rmcat-transport-wide-cc-extensions-01, 3.1.1).
const (
	notReceived = iota
	smallDelta
	largeDelta
)

// Transport notes when packets came, by their transport-wide numbers, and makes
// of it what a browser tells the server about every 100 ms. The zero Transport
// is ready; its user guards it.
type Transport struct {
	arrivals [feedbackSpan]int64 // ns of Unix time
	first    int64               // extended number of the first packet not told of
	top      int64               // after the highest number that came; 0 before any
	count    uint8               // of the feedback packets
	symbols  [maxFeedback]byte   // scratch
	deltas   []byte              // scratch
}

// Note takes the number of a packet and its arrival in ns of Unix time.
func (f *Transport) Note(number uint16, arrived int64) {
	if f.top == 0 {
		f.top = int64(number) + 1<<16
		f.first = f.top
	}
	ext := f.top + int64(int16(number-uint16(f.top)))
	if ext < f.first || ext > f.top+feedbackSpan {
		if ext < f.first {
			return // told to be lost; browsers tell again, which makes no difference here
		}
		f.first, f.top = ext, ext
	}
	for ; f.top <= ext; f.top++ {
		f.arrivals[f.top&(feedbackSpan-1)] = noArrival
	}
	f.first = max(f.first, f.top-feedbackSpan)
	f.arrivals[ext&(feedbackSpan-1)] = arrived
}

// AppendTo appends a feedback packet on what came since the last one, on the
// media of ssrc. It appends nothing if nothing came.
func (f *Transport) AppendTo(b []byte, ssrc uint32) []byte {
	n, reference, same := f.collect()
	for n == maxFeedback && reference < 0 { // that much was lost in a row
		f.first += maxFeedback
		n, reference, same = f.collect()
	}
	if n == 0 || reference < 0 {
		return b
	}
	start := len(b)
	b = append(b, 0x80|15, 205, 0, 0) // RTPFB, transport-wide
	b = binary.BigEndian.AppendUint32(b, Sender)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	b = binary.BigEndian.AppendUint16(b, uint16(f.first))
	b = binary.BigEndian.AppendUint16(b, uint16(n))
	b = binary.BigEndian.AppendUint32(b, uint32(reference)<<8|uint32(f.count))
	b = appendChunks(b, f.symbols[:n], same)
	b = append(b, f.deltas...)
	f.first += int64(n)
	f.count++
	return finish(b, start)
}

// collect fills symbols and deltas with the packets from first on. reference
// is what the deltas begin at in units of 64 ms, negative if none came; same
// tells that all symbols are alike.
func (f *Transport) collect() (n int, reference int64, same bool) {
	n, reference, same = int(min(f.top-f.first, maxFeedback)), -1, true
	f.deltas = f.deltas[:0]
	last := int64(0)
	for i := range n {
		at := f.arrivals[(f.first+int64(i))&(feedbackSpan-1)]
		f.symbols[i] = notReceived
		if at != noArrival {
			ticks := at / feedbackTick
			if reference < 0 {
				reference = ticks / 256
				last = reference * 256
			}
			if f.symbols[i] = f.delta(ticks - last); f.symbols[i] == notReceived {
				return i, reference, same // too long after the one before: the next feedback begins here
			}
			last = ticks
		}
		same = same && f.symbols[i] == f.symbols[0]
	}
	return n, reference, same
}

// delta appends a difference and returns its symbol, notReceived if it is too
// large for any.
func (f *Transport) delta(ticks int64) byte {
	switch {
	case ticks >= 0 && ticks < 1<<8:
		f.deltas = append(f.deltas, byte(ticks))
		return smallDelta
	case ticks >= -1<<15 && ticks < 1<<15:
		f.deltas = binary.BigEndian.AppendUint16(f.deltas, uint16(ticks))
		return largeDelta
	}
	return notReceived
}

// appendChunks writes the symbols as one run if all are the same, otherwise as
// vectors of seven.
func appendChunks(b, symbols []byte, same bool) []byte {
	if same {
		return binary.BigEndian.AppendUint16(b, uint16(symbols[0])<<13|uint16(len(symbols)))
	}
	for len(symbols) > 0 {
		chunk := uint16(0b11) << 14
		n := min(7, len(symbols))
		for i, s := range symbols[:n] {
			chunk |= uint16(s) << (12 - 2*i)
		}
		b = binary.BigEndian.AppendUint16(b, chunk)
		symbols = symbols[n:]
	}
	return b
}

// finish pads the packet that begins at start to words and writes its
// length (RFC 3550 section 6.4.1).
func finish(b []byte, start int) []byte {
	if pad := -(len(b) - start) & 3; pad > 0 {
		for i := range pad {
			b = append(b, 0)
			if i == pad-1 {
				b[len(b)-1] = byte(pad)
			}
		}
		b[start] |= 0x20
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16((len(b)-start)/4-1))
	return b
}

// Number finds the transport-wide number of a packet in the header
// extension id (RFC 8285 section 4.2), which is never encrypted.
func Number(b []byte, id uint8) (uint16, bool) {
	if id == 0 || b[0]&0x10 == 0 {
		return 0, false
	}
	at := 12 + 4*int(b[0]&0x0f)
	if len(b) < at+4 || binary.BigEndian.Uint16(b[at:]) != 0xbede {
		return 0, false
	}
	end := at + 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	if len(b) < end {
		return 0, false
	}
	for at += 4; at < end; {
		if b[at] == 0 { // padding
			at++
			continue
		}
		size := int(b[at]&0x0f) + 1
		if b[at]>>4 == id && size >= 2 && at+size < end {
			return binary.BigEndian.Uint16(b[at+1:]), true
		}
		at += 1 + size
	}
	return 0, false
}
