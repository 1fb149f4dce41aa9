package port

import "encoding/binary"

// Class is what a datagram on the port is.
type Class uint8

// The classes of a datagram.
const (
	ClassDrop  Class = iota // nothing served here
	ClassSTUN               // Binding request without USERNAME: answered at once
	ClassICE                // Binding request with USERNAME, or a Binding response or indication
	ClassTURN               // a request or indication of a TURN client, or ChannelData
	ClassMedia              // DTLS, SRTP, SRTCP
)

// The parts of STUN that tell its messages apart, RFC 8489 section 5 and
// RFC 8656 sections 17 and 18.
const (
	stunHeader   = 20
	stunCookie   = 0x2112A442
	attrUsername = 0x0006
	attrNominate = 0x0025 // USE-CANDIDATE, RFC 8445 section 7.1.2

	methodBinding          = 0x001
	methodAllocate         = 0x003
	methodRefresh          = 0x004
	methodSend             = 0x006
	methodCreatePermission = 0x008
	methodChannelBind      = 0x009

	classRequest    = 0
	classIndication = 1
)

// ClassifyUDP tells what a datagram is from its bytes alone: the first byte as
// in RFC 7983, then the method of a STUN message and whether it names a user.
// Where it comes from says nothing, since a browser uses one socket for its
// checks, its TURN client and its media. It keeps no state and allocates
// nothing.
func ClassifyUDP(b []byte) Class {
	if len(b) < 4 {
		return ClassDrop
	}
	switch c := b[0]; {
	case c >= 128 && c <= 191: // SRTP first: nearly all there is
		return ClassMedia
	case c <= 3:
		return classifySTUN(b)
	case c >= 20 && c <= 63:
		return ClassMedia // DTLS
	case c >= 64 && c <= 79:
		return ClassTURN // ChannelData, channels 0x4000-0x4FFF
	}
	return ClassDrop
}

// classifySTUN tells the messages apart that begin with two zero bits. Those
// without the cookie are of RFC 3489, which nobody speaks but reflectors.
func classifySTUN(b []byte) Class {
	if len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != stunCookie ||
		int(binary.BigEndian.Uint16(b[2:]))+stunHeader != len(b) {
		return ClassDrop
	}
	method, class := stunType(binary.BigEndian.Uint16(b))
	switch {
	case method == methodBinding && class != classRequest:
		return ClassICE
	case method == methodBinding:
		if _, ok := username(b); ok {
			return ClassICE
		}
		return ClassSTUN
	case class == classRequest && (method == methodAllocate || method == methodRefresh ||
		method == methodCreatePermission || method == methodChannelBind):
		return ClassTURN
	case class == classIndication && method == methodSend:
		return ClassTURN
	}
	return ClassDrop // responses to requests we never make, Data, RFC 6062
}

// stunType splits the message type, whose class bits lie within the method's.
func stunType(t uint16) (method uint16, class uint8) {
	return t&0xf | t&0xe0>>1 | t&0x3e00>>2, uint8(t>>4&1 | t>>7&2)
}

// username returns the value of the first USERNAME of a STUN message whose
// length was checked, and whether there is one.
func username(b []byte) ([]byte, bool) { return attribute(b, attrUsername) }

// nominates says whether a check nominates the way it came.
func nominates(b []byte) bool {
	_, ok := attribute(b, attrNominate)
	return ok
}

// attribute returns the value of the first attribute of a kind.
func attribute(b []byte, kind uint16) ([]byte, bool) {
	for p := stunHeader; p+4 <= len(b); {
		size := int(binary.BigEndian.Uint16(b[p+2:]))
		end := p + 4 + size
		if end > len(b) {
			return nil, false
		}
		if binary.BigEndian.Uint16(b[p:]) == kind {
			return b[p+4 : end], true
		}
		p = p + 4 + (size+3)&^3
	}
	return nil, false
}

// localUfrag returns our part of an ICE check's USERNAME, which is what stands
// before the colon (RFC 8445 section 7.2.2), or nil.
func localUfrag(b []byte) []byte {
	name, _ := username(b)
	for i, c := range name {
		if c == ':' {
			return name[:i]
		}
	}
	return nil
}

// isSTUN tells a STUN message from media (RFC 7983).
func isSTUN(b []byte) bool { return len(b) > 0 && b[0] <= 3 }

// isCheck says whether an ICE datagram is a request, which names its session.
func isCheck(b []byte) bool {
	_, class := stunType(binary.BigEndian.Uint16(b))
	return class == classRequest
}
