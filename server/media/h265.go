package media

// Types of H265 NAL units (ITU-T H.265 table 7-1) and of the RTP packets that
// carry several or a part of one (RFC 7798 section 4.4).
const (
	h265FirstIRAP = 16 // BLA, IDR and CRA pictures: decoding may begin at each
	h265LastIRAP  = 21
	h265LastVCL   = 31
	h265VPS       = 32
	h265SPS       = 33
	h265PPS       = 34
	h265Delimiter = 35
	h265PrefixSEI = 39
	h265AP        = 48
	h265FU        = 49

	h265HeaderSize = 2
	h265FUTypeMask = 0x3f
)

// inspectH265 follows RFC 7798 without DONL fields, which WebRTC never
// negotiates: single NAL units, aggregation packets and fragmentation units.
func inspectH265(p []byte) (start, keyframe bool) {
	if len(p) <= h265HeaderSize {
		return false, false
	}
	body := p[h265HeaderSize:]
	switch kind := h265Type(p[0]); kind {
	case h265AP:
		return inspectAP(body)
	case h265FU:
		kind = body[0] & h265FUTypeMask
		if body[0]&fuStart == 0 {
			return false, h265Key(kind)
		}
		return h265Begins(kind, body[1:]), h265Key(kind)
	default:
		return h265Begins(kind, body), h265Key(kind)
	}
}

// inspectAP looks at each unit of an aggregation packet; the packet begins a
// frame when its first unit does.
func inspectAP(p []byte) (start, keyframe bool) {
	for first := true; len(p) > 2; first = false {
		size := int(p[0])<<8 | int(p[1])
		p = p[2:]
		if size < h265HeaderSize || size > len(p) {
			return start, keyframe
		}
		kind := h265Type(p[0])
		if first {
			start = h265Begins(kind, p[h265HeaderSize:size])
		}
		keyframe = keyframe || h265Key(kind)
		p = p[size:]
	}
	return start, keyframe
}

func h265Type(header byte) byte { return header >> 1 & h265FUTypeMask }

// h265Begins says whether a NAL unit can be the first of an access unit
// (H.265 section 7.4.2.4.4). body is the unit without its header.
func h265Begins(kind byte, body []byte) bool {
	switch kind {
	case h265VPS, h265SPS, h265PPS, h265Delimiter, h265PrefixSEI:
		return true
	}
	return kind <= h265LastVCL && len(body) > 0 && body[0]&firstSlice != 0
}

// h265Key also takes the parameter sets for a keyframe, as h264Key does.
func h265Key(kind byte) bool {
	return kind >= h265FirstIRAP && kind <= h265LastIRAP || kind == h265VPS || kind == h265SPS
}
