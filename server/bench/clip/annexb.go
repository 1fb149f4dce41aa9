package clip

import "bytes"

// NAL unit types (H.264 table 7-1).
const (
	NALSlice = 1
	NALIDR   = 5
	NALSEI   = 6
	NALSPS   = 7
	NALPPS   = 8
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

// AccessUnit is what a decoder takes at once: the slices of one picture.
type AccessUnit struct {
	Params [][]byte // SPS and PPS before the slices
	Slices [][]byte
	IDR    bool // can be decoded without earlier ones
}

// accessUnits groups NAL units into pictures (H.264 7.4.1.2.3, as far as a
// stream without redundant pictures or data partitions needs it). Parameter
// sets are repeated before every IDR picture; SEI, delimiters and filler are
// left out, because the publisher writes its own SEI.
func accessUnits(nals [][]byte) []AccessUnit {
	var units []AccessUnit
	var params, pending [][]byte
	for _, nal := range nals {
		switch nal[0] & 0x1f {
		case NALSPS:
			pending = append(pending[:0:0], nal)
		case NALPPS:
			pending = append(pending, nal)
		case NALSlice, NALIDR:
			if len(pending) > 0 {
				params, pending = pending, nil
			}
			idr := nal[0]&0x1f == NALIDR
			if len(units) == 0 || firstSlice(nal) {
				units = append(units, AccessUnit{IDR: idr})
			}
			u := &units[len(units)-1]
			if u.Slices = append(u.Slices, nal); idr {
				u.Params = params
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
