package bench

import "bytes"

// NAL unit types (H.264 table 7-1) that matter here.
const (
	nalSlice  = 1
	nalIDR    = 5
	nalSPS    = 7
	nalPPS    = 8
	nalAUD    = 9
	nalFiller = 12
)

// splitNALs cuts an Annex B byte stream (H.264 annex B) into NAL units
// without their start codes. The units share the memory of b.
func splitNALs(b []byte) [][]byte {
	var nals [][]byte
	startCode := []byte{0, 0, 1}
	at := bytes.Index(b, startCode)
	for at >= 0 {
		b = b[at+3:]
		at = bytes.Index(b, startCode)
		nal := b
		if at >= 0 {
			nal = b[:at]
		}
		// Zeros before a start code belong to it (zero_byte, trailing_zero_8bits).
		if nal = bytes.TrimRight(nal, "\x00"); len(nal) > 0 {
			nals = append(nals, nal)
		}
	}
	return nals
}

// accessUnit is what a decoder takes at once: the slices of one picture.
type accessUnit struct {
	params [][]byte // SPS and PPS before the slices
	slices [][]byte
	idr    bool
}

// accessUnits groups NAL units into pictures (H.264 7.4.1.2.3, as far as a
// stream without redundant pictures or data partitions needs it). Parameter
// sets are repeated before every IDR picture; SEI, delimiters and filler are
// left out, because the publisher writes its own SEI.
func accessUnits(nals [][]byte) []accessUnit {
	var units []accessUnit
	var params, pending [][]byte
	for _, nal := range nals {
		switch nal[0] & 0x1f {
		case nalSPS:
			pending = append(pending[:0:0], nal)
		case nalPPS:
			pending = append(pending, nal)
		case nalSlice, nalIDR:
			if len(pending) > 0 {
				params, pending = pending, nil
			}
			idr := nal[0]&0x1f == nalIDR
			if len(units) == 0 || firstSlice(nal) {
				units = append(units, accessUnit{idr: idr})
			}
			u := &units[len(units)-1]
			if u.slices = append(u.slices, nal); idr {
				u.params = params
			}
		}
	}
	return units
}

// firstSlice tells whether a slice begins a picture: its first syntax element
// is first_mb_in_slice, and the Exp-Golomb code of 0 is a single set bit.
func firstSlice(nal []byte) bool {
	return len(nal) > 1 && nal[1]&0x80 != 0
}
