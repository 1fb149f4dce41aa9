package media

// Bits of the AV1 aggregation header (RTP Payload Format for AV1, section
// 4.4), and of an OBU header (AV1 bitstream specification, section 5.3.2).
const (
	av1Continues = 0x80 // Z: the first element goes on from the packet before
	av1Count     = 0x30 // W: how many elements, 0 for unknown
	av1CountOne  = 0x10
	av1New       = 0x08 // N: first packet of a coded video sequence

	obuExtended = 0x04
	obuSpatial  = 0x18 // spatial_id, in the extension byte

	obuSequence    = 1
	obuDelimiter   = 2
	obuFrameHeader = 3
	obuMetadata    = 5
	obuFrame       = 6
)

// inspectAV1 follows the RTP Payload Format for AV1. The frame is the temporal
// unit, all spatial layers of one time, so it begins with layer 0.
func inspectAV1(p []byte) (start, keyframe bool) {
	if len(p) < 2 || p[0]&av1Continues != 0 {
		return false, false
	}
	obu := p[1:]
	if p[0]&av1Count != av1CountOne { // the only element has no length in front
		obu, _ = av1Element(obu)
	}
	if len(obu) == 0 {
		return false, false
	}
	start = obuBegins(obu)
	return start, start && p[0]&av1New != 0
}

// obuBegins says whether an OBU can be the first of a temporal unit.
func obuBegins(obu []byte) bool {
	if obu[0]&obuExtended != 0 && (len(obu) < 2 || obu[1]&obuSpatial != 0) {
		return false
	}
	switch obuType(obu) {
	case obuSequence, obuDelimiter, obuFrameHeader, obuMetadata, obuFrame:
		return true
	}
	return false
}

// av1Element returns the element at the head of p, whose length is in front as
// a LEB128, and what is behind it; nil when it does not fit into p.
func av1Element(p []byte) (element, behind []byte) {
	size := 0
	for i := range min(len(p), 8) { // a LEB128 may be padded to eight bytes
		size |= int(p[i]&0x7f) << (7 * i)
		if p[i]&0x80 != 0 {
			continue
		}
		if rest := p[i+1:]; size <= len(rest) {
			return rest[:size], rest[size:]
		}
		return nil, nil
	}
	return nil, nil
}

// obuType returns the type of an OBU, which has one byte at least.
func obuType(obu []byte) byte { return obu[0] >> 3 & 0x0f }
