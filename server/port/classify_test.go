package port

import (
	"encoding/binary"
)

// stunMessage builds a STUN message with attributes.
func stunMessage(kind uint16, attrs ...byte) []byte {
	b := make([]byte, stunHeader, stunHeader+len(attrs))
	binary.BigEndian.PutUint16(b, kind)
	binary.BigEndian.PutUint16(b[2:], uint16(len(attrs)))
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	copy(b[8:], "transaction!")
	return append(b, attrs...)
}

// usernameAttr builds a USERNAME, padded.
func usernameAttr(name string) []byte {
	b := binary.BigEndian.AppendUint16(nil, attrUsername)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, name...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

