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
// RFC 8656 sections 17 and 18. A type is method and class in one number.
const (
	stunHeader   = 20
	stunCookie   = 0x2112A442
	attrUsername = 0x0006
	attrNominate = 0x0025 // USE-CANDIDATE, RFC 8445 section 7.1.2

	bindingRequest    = 0x0001
	bindingIndication = 0x0011
	bindingSuccess    = 0x0101
	bindingError      = 0x0111

	allocateRequest         = 0x0003
	refreshRequest          = 0x0004
	createPermissionRequest = 0x0008
	channelBindRequest      = 0x0009
	sendIndication          = 0x0016

	classBits = 0x0110 // of a type; a request has none of them
)

// ClassifyUDP tells what a datagram is from its bytes alone: the first byte as
// in RFC 7983, then the type of a STUN message and whether it names a user.
// Where it comes from says nothing, since a browser uses one socket for its
// checks, its TURN client and its media. It keeps no state and allocates
// nothing.
func ClassifyUDP(b []byte) Class {
	if len(b) < 4 {
		return ClassDrop
	}
	head := binary.BigEndian.Uint32(b) // of STUN: type and length
	switch c := head >> 24; {
	case c >= 128 && c <= 191: // SRTP first: nearly all there is
		return ClassMedia
	case c <= 3: // STUN, told apart below
	case c >= 20 && c <= 63:
		return ClassMedia // DTLS
	case c >= 64 && c <= 79:
		return ClassTURN // ChannelData, channels 0x4000-0x4FFF
	default:
		return ClassDrop
	}
	// What has no cookie is of RFC 3489, which nobody speaks but reflectors.
	if len(b) < stunHeader || binary.BigEndian.Uint32(b[4:]) != stunCookie ||
		int(head&0xffff)+stunHeader != len(b) {
		return ClassDrop
	}
	switch head >> 16 {
	case bindingRequest:
		if _, ok := attribute(b, attrUsername); ok {
			return ClassICE
		}
		return ClassSTUN
	case bindingIndication, bindingSuccess, bindingError:
		return ClassICE
	case allocateRequest, refreshRequest, createPermissionRequest, channelBindRequest, sendIndication:
		return ClassTURN
	}
	return ClassDrop // responses to requests we never make, Data, RFC 6062
}

// username returns the value of the first USERNAME of a STUN message whose
// length was checked, and whether there is one.
func username(b []byte) ([]byte, bool) { return attribute(b, attrUsername) }

// nominates says whether a check nominates the way it came.
func nominates(b []byte) bool {
	_, ok := attribute(b, attrNominate)
	return ok
}

// attribute returns the value of the first attribute of a kind. Telling checks
// apart is fast because it is small enough to be inlined, and because it never
// makes an empty slice: for one the compiler would have to mind the address.
func attribute(b []byte, kind uint16) ([]byte, bool) {
	if len(b) <= stunHeader {
		return nil, false
	}
	for rest := b[stunHeader:]; len(rest) >= 4; {
		end := 4 + int(binary.BigEndian.Uint16(rest[2:]))
		if binary.BigEndian.Uint16(rest) == kind && end <= len(rest) {
			return rest[4:end], true
		}
		end = (end + 3) &^ 3
		if end >= len(rest) {
			break
		}
		rest = rest[end:]
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
	return binary.BigEndian.Uint16(b)&classBits == 0
}
