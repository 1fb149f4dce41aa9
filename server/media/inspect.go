package media

// Inspect tells from one RTP payload alone whether the packet begins a frame
// and whether it belongs to a keyframe, a frame that decodes without earlier
// ones. The payload is a peer's: any bytes are answered, and what does not
// parse is neither. codec is one of the names of this package.
//
// What one packet cannot know: in H264, H265 and AV1 several packets of one
// frame may look like its beginning (parameter sets, then the first slice), so
// the first with a new timestamp is the one. In VP8 and AV1 only the packet
// that begins a keyframe says so. Every packet of audio is both.
func Inspect(codec string, payload []byte) (start, keyframe bool) {
	switch codec {
	case H264:
		return inspectH264(payload)
	case H265:
		return inspectH265(payload)
	case VP8:
		return inspectVP8(payload)
	case VP9:
		return inspectVP9(payload)
	case AV1:
		return inspectAV1(payload)
	case Opus, AAC, G722, PCMU, PCMA:
		return true, true
	}
	return false, false
}
