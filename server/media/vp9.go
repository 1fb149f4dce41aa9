package media

// Bits of the VP9 payload descriptor, RFC 9628 section 4.2.
const (
	vp9PictureID = 0x80 // I
	vp9Inter     = 0x40 // P: the frame needs earlier ones
	vp9Layers    = 0x20 // L: layer indices are present
	vp9Begin     = 0x08 // B: begins a frame of a layer
	vp9LongID    = 0x80 // M, in the picture ID: it has two bytes
	vp9Spatial   = 0x0e // SID, in the layer indices
)

// inspectVP9 follows RFC 9628. The frame is the picture, all spatial layers of
// one time, so it begins with layer 0; an upper layer that needs no earlier
// picture still needs the layer below.
func inspectVP9(p []byte) (start, keyframe bool) {
	if len(p) < 2 {
		return false, false
	}
	if p[0]&vp9Layers != 0 {
		at := 1
		if p[0]&vp9PictureID != 0 {
			if p[at]&vp9LongID != 0 {
				at++
			}
			at++
		}
		if at >= len(p) || p[at]&vp9Spatial != 0 {
			return false, false
		}
	}
	return p[0]&vp9Begin != 0, p[0]&vp9Inter == 0
}
