package media

// Types of H264 NAL units (ITU-T H.264 table 7-1) and of the RTP packets that
// carry several or a part of one (RFC 6184 section 5.2).
const (
	h264Slice     = 1
	h264SliceA    = 2 // data partition A
	h264IDR       = 5
	h264SEI       = 6
	h264SPS       = 7
	h264PPS       = 8
	h264Delimiter = 9
	h264STAPA     = 24
	h264FUA       = 28

	h264TypeMask = 0x1f
	fuStart      = 0x80 // S bit of an FU header, of H264 and H265 alike
	firstSlice   = 0x80 // the first bit of a slice header, 1 in the slice that begins a picture
)

// inspectH264 follows RFC 6184 in packetization modes 0 and 1: single NAL
// units, STAP-A and FU-A.
func inspectH264(p []byte) (start, keyframe bool) {
	if len(p) < 2 {
		return false, false
	}
	switch kind := p[0] & h264TypeMask; kind {
	case h264STAPA:
		return inspectSTAPA(p[1:])
	case h264FUA:
		kind = p[1] & h264TypeMask
		if p[1]&fuStart == 0 {
			return false, h264Key(kind)
		}
		return h264Begins(kind, p[2:]), h264Key(kind)
	default:
		return h264Begins(kind, p[1:]), h264Key(kind)
	}
}

// inspectSTAPA looks at each unit of an aggregation packet; the packet begins
// a frame when its first unit does.
func inspectSTAPA(p []byte) (start, keyframe bool) {
	for first := true; len(p) > 2; first = false {
		size := int(p[0])<<8 | int(p[1])
		p = p[2:]
		if size == 0 || size > len(p) {
			return start, keyframe
		}
		kind := p[0] & h264TypeMask
		if first {
			start = h264Begins(kind, p[1:size])
		}
		keyframe = keyframe || h264Key(kind)
		p = p[size:]
	}
	return start, keyframe
}

// h264Begins says whether a NAL unit can be the first of an access unit
// (H.264 section 7.4.1.2.3). body is the unit without its header.
func h264Begins(kind byte, body []byte) bool {
	switch kind {
	case h264SEI, h264SPS, h264PPS, h264Delimiter:
		return true
	case h264Slice, h264SliceA, h264IDR:
		return len(body) > 0 && body[0]&firstSlice != 0
	}
	return false
}

// h264Key also takes the parameter set for a keyframe: encoders put it in
// front of one, and a decoder must begin there.
func h264Key(kind byte) bool { return kind == h264IDR || kind == h264SPS }
