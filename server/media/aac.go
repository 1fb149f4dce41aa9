package media

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"
)

const (
	// Ticks of an AAC access unit.
	aacTicks = mpeg4audio.SamplesPerAccessUnit

	// Of the AU headers that we write: AAC-hbr, RFC 3640 section 3.3.6.
	aacSizeBits  = 13
	aacIndexBits = 3
	aacMaxUnit   = 1<<aacSizeBits - 1

	aacMaxUnits = 64 // in one packet; at 8 kHz that is 8 s
)

var errAAC = errors.New("malformed AAC packet")

// packetizeAAC puts as many access units into a packet as go in; one that is
// too large for a packet is cut (RFC 3640 section 3.1).
func packetizeAAC(units [][]byte) ([]Payload, error) {
	var list []Payload
	for done := 0; done < len(units); {
		room, n := MaxPayload-2, 0
		for done+n < len(units) && n < aacMaxUnits && len(units[done+n])+2 <= room {
			room -= len(units[done+n]) + 2
			n++
		}
		group := units[done : done+max(n, 1)]
		for _, u := range group {
			if len(u) == 0 || len(u) > aacMaxUnit {
				return nil, fmt.Errorf("access unit of %d bytes", len(u))
			}
		}
		offset := uint32(done * aacTicks)
		if n == 0 {
			list = appendAACParts(list, group[0], offset)
		} else {
			list = append(list, Payload{Bytes: aacGroup(group, MaxPayload-room), Marker: true, Offset: offset})
		}
		done += len(group)
	}
	return list, nil
}

func aacGroup(units [][]byte, size int) []byte {
	bits := len(units) * (aacSizeBits + aacIndexBits)
	b := append(make([]byte, 0, size), byte(bits>>8), byte(bits))
	for _, u := range units {
		b = append(b, byte(len(u)>>5), byte(len(u)<<aacIndexBits))
	}
	for _, u := range units {
		b = append(b, u...)
	}
	return b
}

// appendAACParts cuts one unit. Each part names the size of the whole.
func appendAACParts(list []Payload, unit []byte, offset uint32) []Payload {
	head := aacGroup([][]byte{unit}, 4+len(unit))[:4]
	for len(unit) > 0 {
		n := min(len(unit), MaxPayload-len(head))
		b := append(append(make([]byte, 0, len(head)+n), head...), unit[:n]...)
		unit = unit[n:]
		list = append(list, Payload{Bytes: b, Marker: len(unit) == 0, Offset: offset})
	}
	return list
}

// aacReader takes AAC packets apart, by RFC 3640 without interleaving.
type aacReader struct {
	// set at construction: how many bits the fields of an AU header have
	sizeBits, indexBits, deltaBits int

	// owned by the caller of decode
	part []byte // of an access unit that was cut
	next uint16 // sequence number of the packet that goes on with it
}

func newAACReader(c Codec) (*aacReader, error) {
	r := &aacReader{sizeBits: aacSizeBits, indexBits: aacIndexBits, deltaBits: aacIndexBits}
	for key, bits := range map[string]*int{"sizelength": &r.sizeBits, "indexlength": &r.indexBits, "indexdeltalength": &r.deltaBits} {
		value, ok := c.parameter(key)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 || n > 16 {
			return nil, fmt.Errorf("%w: AAC %s %.16q", ErrFormat, key, value)
		}
		*bits = n
	}
	if r.sizeBits == 0 {
		return nil, fmt.Errorf("%w: AAC with access units of a constant size", ErrFormat)
	}
	return r, nil
}

// decode returns the access units that a packet completes.
func (r *aacReader) decode(p *rtp.Packet) ([][]byte, error) {
	part := r.part
	r.part = nil
	if part != nil && p.SequenceNumber != r.next {
		part = nil
	}
	sizes, data, err := r.headers(p.Payload)
	if err != nil {
		return nil, err
	}
	if len(sizes) == 1 && (part != nil || !p.Marker || sizes[0] > len(data)) {
		return r.join(append(part, data...), sizes[0], p)
	}
	units := make([][]byte, len(sizes))
	for i, size := range sizes {
		if size > len(data) {
			return nil, errAAC
		}
		units[i], data = data[:size], data[size:]
	}
	return r.bare(units)
}

// headers returns the sizes of the access units and what is behind them.
func (r *aacReader) headers(p []byte) (sizes []int, data []byte, err error) {
	if len(p) < 2 {
		return nil, nil, errAAC
	}
	bits := int(p[0])<<8 | int(p[1])
	end := 2 + (bits+7)/8
	if bits < r.sizeBits || end > len(p) {
		return nil, nil, errAAC
	}
	for at, index := 0, r.indexBits; at+r.sizeBits+index <= bits; index = r.deltaBits {
		size := bitsAt(p[2:end], at, r.sizeBits)
		if size == 0 || len(sizes) == aacMaxUnits || bitsAt(p[2:end], at+r.sizeBits, index) != 0 { // not 0: interleaved
			return nil, nil, errAAC
		}
		sizes = append(sizes, size)
		at += r.sizeBits + index
	}
	if len(sizes) == 0 {
		return nil, nil, errAAC
	}
	return sizes, p[end:], nil
}

// bitsAt reads n bits, which p is known to have.
func bitsAt(p []byte, at, n int) (v int) {
	for i := at; i < at+n; i++ {
		v = v<<1 | int(p[i/8]>>(7-i%8)&1)
	}
	return v
}

// join gathers a unit that was cut. The marker ends it: encoders do not agree
// on whether the size in a part is its own or the whole's.
func (r *aacReader) join(part []byte, size int, p *rtp.Packet) ([][]byte, error) {
	if len(part) > mpeg4audio.MaxAccessUnitSize {
		return nil, errAAC
	}
	if !p.Marker {
		r.part, r.next = part, p.SequenceNumber+1
		return nil, nil
	}
	if len(part) < size { // its first part is missing
		return nil, errAAC
	}
	return r.bare([][]byte{part})
}

// bare takes off the ADTS headers that some cameras leave on.
func (r *aacReader) bare(units [][]byte) ([][]byte, error) {
	for i, u := range units {
		if len(u) < 8 || u[0] != 0xff || u[1]&0xf6 != 0xf0 { // no access unit begins so
			continue
		}
		var packets mpeg4audio.ADTSPackets
		if packets.Unmarshal(u) == nil && len(packets) == 1 && len(packets[0].AU) > 0 {
			units[i] = packets[0].AU
		}
	}
	return units, nil
}
