package media

// Bits of the VP8 payload descriptor, RFC 7741 section 4.2, and of the payload
// header behind it, section 4.3.
const (
	vp8Extended  = 0x80 // X: a second byte follows
	vp8Start     = 0x10 // S: begins a partition
	vp8Partition = 0x07 // PID: which one
	vp8PictureID = 0x80 // I, in the second byte
	vp8LongID    = 0x80 // M, in the picture ID: it has two bytes
	vp8TL0       = 0x40 // L
	vp8LayerKey  = 0x30 // T and K share one byte
	vp8Inter     = 0x01 // P: the frame needs earlier ones
)

// inspectVP8 follows RFC 7741. The frame begins with its partition 0.
func inspectVP8(p []byte) (start, keyframe bool) {
	if len(p) < 2 || p[0]&vp8Start == 0 || p[0]&vp8Partition != 0 {
		return false, false
	}
	header := 1
	if p[0]&vp8Extended != 0 {
		header = vp8DescriptorSize(p)
	}
	if header >= len(p) {
		return false, false
	}
	return true, p[header]&vp8Inter == 0
}

// vp8DescriptorSize returns the length of an extended descriptor. p has two
// bytes at least; the length may lie beyond its end.
func vp8DescriptorSize(p []byte) int {
	size, fields := 2, p[1]
	if fields&vp8PictureID != 0 {
		if size < len(p) && p[size]&vp8LongID != 0 {
			size++
		}
		size++
	}
	if fields&vp8TL0 != 0 {
		size++
	}
	if fields&vp8LayerKey != 0 {
		size++
	}
	return size
}
