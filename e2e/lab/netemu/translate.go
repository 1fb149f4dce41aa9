//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"
)

// The protocols that are translated; ICMP has a number in each family.
const (
	icmp   = 1
	tcp    = 6
	udp    = 17
	icmpv6 = 58
)

// Lengths of headers without options, in bytes.
const (
	header4 = 20
	header6 = 40
)

// prefix is 64:ff9b::/96, which leads to all IPv4 addresses (RFC 6052 section 2.1).
const prefix = "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00"

// translator turns the packets of one client into the other family (RFC 7915):
// TCP, UDP and echoes. Whatever else there is, fragments, options and errors
// among it, is lost.
type translator struct {
	six  netip.Addr // the client's
	four netip.Addr // what the client has in IPv4
}

// translate returns the packet in the other family, or nil if it is lost.
func (t translator) translate(packet []byte) []byte {
	if len(packet) == 0 {
		return nil
	}
	switch packet[0] >> 4 {
	case 4:
		return t.toSix(packet)
	case 6:
		return t.toFour(packet)
	}
	return nil
}

func (t translator) toFour(packet []byte) []byte {
	if len(packet) < header6 || int(binary.BigEndian.Uint16(packet[4:])) != len(packet)-header6 {
		return nil
	}
	if netip.AddrFrom16([16]byte(packet[8:])) != t.six || string(packet[24:36]) != prefix {
		return nil
	}
	out := append(make([]byte, header4), packet[header6:]...)
	out[0] = 0x45
	out[1] = packet[0]<<4 | packet[1]>>4 // traffic class
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	out[6] = 0x40 // not to be fragmented
	out[8] = packet[7]
	out[9] = packet[6]
	if packet[6] == icmpv6 {
		out[9] = icmp
	}
	copy(out[12:], t.four.AsSlice())
	copy(out[16:], packet[36:40])
	if !turn(out[header4:], packet[6], sum(packet[8:40]), sum(out[12:20])) {
		return nil
	}
	binary.BigEndian.PutUint16(out[10:], ^fold(sum(out[:header4])))
	return out
}

func (t translator) toSix(packet []byte) []byte {
	if len(packet) < header4 || packet[0] != 0x45 || int(binary.BigEndian.Uint16(packet[2:])) != len(packet) {
		return nil
	}
	if binary.BigEndian.Uint16(packet[6:])&0x3fff != 0 { // a fragment
		return nil
	}
	if netip.AddrFrom4([4]byte(packet[16:])) != t.four {
		return nil
	}
	out := append(make([]byte, header6), packet[header4:]...)
	out[0] = 0x60 | packet[1]>>4
	out[1] = packet[1] << 4
	binary.BigEndian.PutUint16(out[4:], uint16(len(out)-header6))
	out[6] = packet[9]
	if packet[9] == icmp {
		out[6] = icmpv6
	}
	out[7] = packet[8]
	copy(out[8:], prefix)
	copy(out[20:], packet[12:16])
	copy(out[24:], t.six.AsSlice())
	if !turn(out[header6:], packet[9], sum(packet[12:20]), sum(out[8:40])) {
		return nil
	}
	return out
}

// turn makes what is inside a packet fit its new header, where the sums of the
// old and the new addresses are known. It says whether that is possible.
func turn(body []byte, protocol byte, before, after uint32) bool {
	switch {
	case protocol == tcp && len(body) >= 20:
		adjust(body[16:], before, after)
	case protocol == udp && len(body) >= 8 && binary.BigEndian.Uint16(body[6:]) != 0:
		adjust(body[6:], before, after)
		if binary.BigEndian.Uint16(body[6:]) == 0 { // would mean that there is none
			body[6], body[7] = 0xff, 0xff
		}
	case (protocol == icmp || protocol == icmpv6) && len(body) >= 8:
		return turnEcho(body, protocol, before, after)
	default:
		return false
	}
	return true
}

// turnEcho is turn for ICMP, of which only IPv6 has the addresses, its length
// and its number in the checksum.
func turnEcho(body []byte, protocol byte, before, after uint32) bool {
	kind, ok := echo(protocol, body[0])
	if !ok {
		return false
	}
	if wide := uint32(len(body)) + icmpv6; protocol == icmp {
		before, after = 0, after+wide
	} else {
		before, after = before+wide, 0
	}
	adjust(body[2:], before+uint32(body[0])<<8, after+uint32(kind)<<8)
	body[0] = kind
	return true
}

// echo says what the request or answer of a protocol is in the other family.
func echo(protocol, kind byte) (other byte, ok bool) {
	switch {
	case protocol == icmp && kind == 8:
		return 128, true
	case protocol == icmp && kind == 0:
		return 129, true
	case protocol == icmpv6 && kind == 128:
		return 8, true
	case protocol == icmpv6 && kind == 129:
		return 0, true
	}
	return 0, false
}

// adjust changes a checksum by what it is made of (RFC 1624).
func adjust(checksum []byte, before, after uint32) {
	was := ^binary.BigEndian.Uint16(checksum)
	binary.BigEndian.PutUint16(checksum, ^fold(uint32(was)+uint32(^fold(before))+uint32(fold(after))))
}

// sum adds up words of 16 bits; data have an even length and under 64 kB.
func sum(data []byte) uint32 {
	var s uint32
	for ; len(data) > 1; data = data[2:] {
		s += uint32(binary.BigEndian.Uint16(data))
	}
	return s
}

// fold makes a sum of ones' complement out of one that has carried.
func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s&0xffff + s>>16
	}
	return uint16(s)
}
