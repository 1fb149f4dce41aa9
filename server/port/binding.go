package port

import (
	"encoding/binary"
	"net/netip"
)

// bindingSize is the longest answer to a Binding request: header and
// XOR-MAPPED-ADDRESS of an IPv6 address. For IPv4 it is 32 bytes. A request
// has 20 at least, so that a forged one gains 60 % (IPv6: 120 %), and only as
// often as the limits let it.
const bindingSize = 44

// bindingAnswer writes the success response to a plain Binding request
// (RFC 8489 section 7.3.1): the address the request came from, and nothing
// that would make it longer.
func bindingAnswer(out *[bindingSize]byte, request []byte, from netip.AddrPort) []byte {
	size, family := 4, byte(1)
	if !from.Addr().Is4() {
		size, family = 16, 2
	}
	binary.BigEndian.PutUint16(out[0:], 0x0101)
	binary.BigEndian.PutUint16(out[2:], uint16(8+size))
	copy(out[4:20], request[4:20])               // cookie and transaction
	binary.BigEndian.PutUint16(out[20:], 0x0020) // XOR-MAPPED-ADDRESS
	binary.BigEndian.PutUint16(out[22:], uint16(4+size))
	out[24], out[25] = 0, family
	binary.BigEndian.PutUint16(out[26:], from.Port()^(stunCookie>>16))
	address := out[28 : 28+size]
	if size == 4 {
		a := from.Addr().As4()
		copy(address, a[:])
	} else {
		a := from.Addr().As16()
		copy(address, a[:])
	}
	for i := range address {
		address[i] ^= out[4+i]
	}
	return out[:28+size]
}

// reflector says whether an answer to a port would hit one of the services
// that are used to multiply forged traffic. No browser sends from these.
func reflector(port uint16) bool {
	switch port {
	case 0, 7, 13, 17, 19, 53, 69, 111, 123, 137, 161, 389, 1900, 3702, 5353, 11211:
		return true
	}
	return false
}
