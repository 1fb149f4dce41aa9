package transcode

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
)

// An OBU's header (AV1 bitstream specification, section 5.3.2).
const (
	obuExtension = 0x04
	obuHasSize   = 0x02

	obuSequence  = 1
	obuDelimiter = 2
	obuPadding   = 15
)

// sizedOBUs returns OBUs as Matroska wants them: each with its size, and no
// temporal delimiters. What is malformed is left out.
func sizedOBUs(units [][]byte) [][]byte {
	parts := make([][]byte, 0, 2*len(units))
	for _, u := range units {
		head, body := openOBU(u)
		if head == nil {
			continue
		}
		switch head[0] >> 3 {
		case obuDelimiter, obuPadding:
			continue
		}
		parts = append(parts, head, body)
	}
	return parts
}

// openOBU returns an OBU's header, which names its size, and what is behind it;
// nil for one that is malformed.
func openOBU(u []byte) (head, body []byte) {
	n := 1
	if len(u) > 0 && u[0]&obuExtension != 0 {
		n = 2
	}
	if len(u) < n || u[0]&0x80 != 0 {
		return nil, nil
	}
	body = u[n:]
	if u[0]&obuHasSize != 0 {
		var size av1.LEB128
		read, err := size.Unmarshal(body)
		if err != nil || uint64(size) > uint64(len(body)-read) {
			return nil, nil
		}
		body = body[read : read+int(size)]
	}
	size := av1.LEB128(len(body))
	head = make([]byte, n+size.MarshalSize())
	copy(head, u[:n])
	head[0] |= obuHasSize
	size.MarshalTo(head[n:])
	return head, body
}

// sequenceOf returns the sequence header of a temporal unit, with its size;
// nil for none.
func sequenceOf(units [][]byte) []byte {
	for _, u := range units {
		if head, body := openOBU(u); len(body) > 0 && head[0]>>3 == obuSequence {
			return join(head, body)
		}
	}
	return nil
}

// av1Config returns the av1C of a sequence header (AV1 Codec ISO Media File
// Format Binding, section 2.3). Of one that cannot be read it says what most
// are: decoders look into the header itself.
func av1Config(sequence []byte) []byte {
	b := [4]byte{0x81, 8, 0x0C, 0} // version 1; Main, level 4.0, 4:2:0
	var s av1.SequenceHeader
	if s.Unmarshal(sequence) == nil {
		b[1] = s.SeqProfile<<5 | s.SeqLevelIdx[0]
		c := &s.ColorConfig
		b[2] = byte(c.ChromaSamplePosition) & 3
		for shift, set := range []bool{2: c.SubsamplingY, 3: c.SubsamplingX, 4: c.MonoChrome, 5: c.TwelveBit, 6: c.HighBitDepth, 7: s.SeqTier[0]} {
			if set {
				b[2] |= 1 << shift
			}
		}
	}
	return join(b[:], sequence)
}
