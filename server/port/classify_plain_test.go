package port

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// plainClass is ClassifyUDP as one would write it from the RFCs, a step at a
// time and without a thought for speed.
func plainClass(b []byte) Class {
	switch {
	case len(b) < 4:
		return ClassDrop
	case b[0] >= 128 && b[0] <= 191, b[0] >= 20 && b[0] <= 63:
		return ClassMedia
	case b[0] >= 64 && b[0] <= 79:
		return ClassTURN
	case b[0] > 3, len(b) < 20, binary.BigEndian.Uint32(b[4:]) != 0x2112A442,
		int(binary.BigEndian.Uint16(b[2:]))+20 != len(b):
		return ClassDrop
	}
	const binding, allocate, refresh, send, createPermission, channelBind = 1, 3, 4, 6, 8, 9
	const request, indication = 0, 1
	method, class := plainType(binary.BigEndian.Uint16(b))
	_, named := plainAttribute(b, 0x0006)
	switch {
	case method == binding && (class != request || named):
		return ClassICE
	case method == binding:
		return ClassSTUN
	case class == request && (method == allocate || method == refresh || method == createPermission || method == channelBind),
		class == indication && method == send:
		return ClassTURN
	}
	return ClassDrop
}

// plainType splits a message type, whose class bits lie within the method's.
func plainType(t uint16) (method uint16, class uint8) {
	return t&0xf | t&0xe0>>1 | t&0x3e00>>2, uint8(t>>4&1 | t>>7&2)
}

// plainAttribute finds an attribute by counting.
func plainAttribute(b []byte, kind uint16) ([]byte, bool) {
	for p := 20; p+4 <= len(b); {
		size := int(binary.BigEndian.Uint16(b[p+2:]))
		end := p + 4 + size
		if end > len(b) {
			return nil, false
		}
		if binary.BigEndian.Uint16(b[p:]) == kind {
			return b[p+4 : end], true
		}
		p += 4 + (size+3)&^3
	}
	return nil, false
}

// samePlain says that all there is to tell of a datagram is what the plain form
// tells.
func samePlain(t *testing.T, b []byte) {
	t.Helper()
	if got, want := ClassifyUDP(b), plainClass(b); got != want {
		t.Fatalf("%x is %d, want %d", b, got, want)
	}
	for _, kind := range []uint16{attrUsername, attrNominate, 0} {
		got, found := attribute(b, kind)
		want, there := plainAttribute(b, kind)
		if found != there || !bytes.Equal(got, want) {
			t.Fatalf("attribute %#x of %x is %x (%v), want %x (%v)", kind, b, got, found, want, there)
		}
	}
	if len(b) >= 2 {
		if _, class := plainType(binary.BigEndian.Uint16(b)); isCheck(b) != (class == 0) {
			t.Fatalf("%x is a request: %v", b[:2], isCheck(b))
		}
	}
}

// Every first byte, every type and every length of the attributes.
func TestClassifyAsThePlainForm(t *testing.T) {
	t.Parallel()
	for first := range 256 {
		for size := range 6 {
			samePlain(t, append([]byte{byte(first)}, make([]byte, size)...))
		}
	}
	for kind := range 0x10000 {
		samePlain(t, stunMessage(uint16(kind)))
		samePlain(t, stunMessage(uint16(kind), usernameAttr("ours:theirs")...))
	}
	for _, kind := range []byte{attrUsername, 0x24} {
		for said := range 20 {
			for size := range 20 {
				attrs := append([]byte{0, kind, 0, byte(said)}, make([]byte, size)...)
				samePlain(t, stunMessage(bindingRequest, attrs...))
				samePlain(t, stunMessage(bindingRequest, append(attrs, usernameAttr("a:b")...)...))
			}
		}
	}
	for name, check := range checks(t) {
		samePlain(t, check)
		for size := range check {
			cut := bytes.Clone(check[:size])
			samePlain(t, cut)
			if size >= stunHeader {
				binary.BigEndian.PutUint16(cut[2:], uint16(size-stunHeader))
				samePlain(t, cut)
			}
		}
		require.Equal(t, ClassICE, ClassifyUDP(check), name)
	}
}

func FuzzClassifyAsThePlainForm(f *testing.F) {
	f.Add([]byte{0x80, 96, 0, 1})
	f.Add(stunMessage(bindingRequest))
	f.Add(stunMessage(bindingRequest, 0, 6, 0xff, 0xff))
	for _, check := range checks(f) {
		f.Add(check)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		samePlain(t, b)
		if len(b) < stunHeader {
			return
		}
		// Few inputs have the cookie and the length right, which is where the rest begins.
		right := bytes.Clone(b[:min(len(b), stunHeader+0xffff)])
		right[0] &= 3
		binary.BigEndian.PutUint16(right[2:], uint16(len(right)-stunHeader))
		binary.BigEndian.PutUint32(right[4:], stunCookie)
		samePlain(t, right)
		binary.BigEndian.PutUint16(right, bindingRequest)
		samePlain(t, right)
	})
}
