package port

import (
	"encoding/binary"
	"hash/crc32"
)

// maxStrange is how many attributes a refusal names: as many as make it no
// longer than an answer.
const maxStrange = 6

// intact says whether the FINGERPRINT of a STUN message, if it ends with one, is
// right (RFC 8489 section 14.7).
func intact(b []byte) bool {
	body := len(b) - 8
	if body < stunHeader || binary.BigEndian.Uint32(b[body:]) != 0x8028<<16|4 {
		return true
	}
	return binary.BigEndian.Uint32(b[body+4:]) == crc32.ChecksumIEEE(b[:body])^0x5354554e
}

// bindingRefusal writes the error response to a plain Binding request with
// attributes that must be understood and are not (RFC 8489 section 6.3.1). It
// returns nil for a request that has none.
func bindingRefusal(out *[bindingSize]byte, request []byte) []byte {
	const errorCode = stunHeader + 8
	size := errorCode + 4
	for p := stunHeader; p+4 <= len(request) && size < errorCode+4+2*maxStrange; {
		kind := binary.BigEndian.Uint16(request[p:])
		if !understood(kind) {
			binary.BigEndian.PutUint16(out[size:], kind)
			size += 2
		}
		p += 4 + (int(binary.BigEndian.Uint16(request[p+2:]))+3)&^3
	}
	if size == errorCode+4 {
		return nil
	}
	binary.BigEndian.PutUint32(out[errorCode:], 0x000A<<16|uint32(size-errorCode-4)) // UNKNOWN-ATTRIBUTES
	for ; size%4 != 0; size++ {
		out[size] = 0
	}
	binary.BigEndian.PutUint16(out[0:], 0x0111)
	binary.BigEndian.PutUint16(out[2:], uint16(size-stunHeader))
	copy(out[4:stunHeader], request[4:stunHeader])                // cookie and transaction
	binary.BigEndian.PutUint32(out[stunHeader:], 0x0009<<16|4)    // ERROR-CODE, without words
	binary.BigEndian.PutUint32(out[stunHeader+4:], 420/100<<8|20) // Unknown Attribute
	return out[:size]
}

// understood says whether an attribute may be in a plain Binding request: it is
// one of RFC 8489 or of ICE, or need not be understood.
func understood(kind uint16) bool {
	switch kind {
	case 0x0001, 0x0006, 0x0008, 0x0009, 0x000A, 0x0014, 0x0015, 0x001C, 0x001D, 0x001E, 0x0020, 0x0024, attrNominate:
		return true
	}
	return kind >= 0x8000
}
