//go:build linux

package main

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// client is a translator, and the server's address in both families.
func client() (t translator, server6, server4 netip.Addr) {
	return translator{six: netip.MustParseAddr("2001:db8:1005::2"), four: netip.MustParseAddr("192.168.5.2")},
		netip.MustParseAddr("64:ff9b::198.18.1.2"), netip.MustParseAddr("198.18.1.2")
}

// packet makes a packet with a right checksum at the offset that its protocol has it at.
func packetOf(from, to netip.Addr, protocol byte, body []byte) []byte {
	var p []byte
	if from.Is4() {
		p = make([]byte, 12, 20+len(body))
		p[0], p[1], p[6], p[8], p[9] = 0x45, 0xb8, 0x40, 61, protocol
		binary.BigEndian.PutUint16(p[2:], uint16(20+len(body)))
	} else {
		p = make([]byte, 8, 40+len(body))
		p[0], p[1], p[6], p[7] = 0x6b, 0x80, protocol, 61
		binary.BigEndian.PutUint16(p[4:], uint16(len(body)))
	}
	p = append(append(append(p, from.AsSlice()...), to.AsSlice()...), body...)
	if from.Is4() {
		binary.BigEndian.PutUint16(p[10:], ^fold(sum(p[:20])))
	}
	at := map[byte]int{icmp: 2, icmpv6: 2, tcp: 16, udp: 6}[protocol]
	if inside := p[len(p)-len(body):]; at+2 <= len(inside) {
		binary.BigEndian.PutUint16(inside[at:], ^checksum(from, to, protocol, inside))
	}
	return p
}

// checksum is what the receiver of a packet adds up (RFC 793, 8200 section 8.1); all bits are one when it is right.
func checksum(from, to netip.Addr, protocol byte, body []byte) uint16 {
	pseudo := append(from.AsSlice(), to.AsSlice()...)
	pseudo = append(pseudo, byte(len(body)>>8), byte(len(body)), 0, protocol)
	if protocol == icmp {
		pseudo = nil
	}
	if len(body)%2 == 1 {
		body = append(append([]byte(nil), body...), 0)
	}
	return fold(sum(append(pseudo, body...)))
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	tr, server6, server4 := client()
	body := func(n int, first ...byte) []byte {
		b := append(first, make([]byte, n-len(first))...)
		for i := len(first); i < n; i++ {
			b[i] = byte(i * 37)
		}
		for _, at := range []int{2, 6, 16} { // where a checksum may be
			if at+1 < n {
				b[at], b[at+1] = 0, 0
			}
		}
		return b
	}
	for name, c := range map[string]struct {
		protocol6, protocol4 byte
		out6, out4           []byte // from the client
		in6, in4             []byte // to it
	}{
		"TCP":      {tcp, tcp, body(41), body(41), body(20), body(20)},
		"UDP":      {udp, udp, body(1208), body(1208), body(9), body(9)},
		"ICMP":     {icmpv6, icmp, body(65, 128, 0), body(65, 8, 0), body(65, 129, 0), body(65, 0, 0)},
		"answered": {icmpv6, icmp, body(8, 129, 0), body(8, 0, 0), body(8, 128, 0), body(8, 8, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out6 := packetOf(tr.six, server6, c.protocol6, c.out6)
			out4 := packetOf(tr.four, server4, c.protocol4, c.out4)
			require.Equal(t, out4, tr.translate(out6))
			in6 := packetOf(server6, tr.six, c.protocol6, c.in6)
			in4 := packetOf(server4, tr.four, c.protocol4, c.in4)
			require.Equal(t, in6, tr.translate(in4))
			require.Equal(t, uint16(0xffff), checksum(server6, tr.six, c.protocol6, tr.translate(in4)[40:]))
		})
	}
}

// A checksum of UDP that comes out as 0 would say that there is none.
func TestTranslateNoZero(t *testing.T) {
	t.Parallel()
	tr, server6, server4 := client()
	seen := false
	for i := range 1 << 16 {
		in4 := packetOf(server4, tr.four, udp, []byte{1, 2, 3, 4, 0, 10, 0, 0, byte(i >> 8), byte(i)})
		if in4[26] == 0 && in4[27] == 0 {
			continue
		}
		in6 := tr.translate(in4)
		sum6 := binary.BigEndian.Uint16(in6[46:])
		require.NotZero(t, sum6)
		seen = seen || sum6 == 0xffff
		require.Equal(t, uint16(0xffff), checksum(server6, tr.six, udp, in6[40:]))
	}
	require.True(t, seen)
}

func TestTranslateLoses(t *testing.T) {
	t.Parallel()
	tr, server6, server4 := client()
	good6 := packetOf(tr.six, server6, udp, make([]byte, 9))
	good4 := packetOf(server4, tr.four, udp, make([]byte, 9))
	with := func(p []byte, at int, value byte) []byte {
		p = append([]byte(nil), p...)
		p[at] = value
		return p
	}
	require.NotNil(t, tr.translate(good6))
	require.NotNil(t, tr.translate(good4))
	for name, p := range map[string][]byte{
		"nothing":              {},
		"neither family":       with(good6, 0, 0x50),
		"cut, IPv6":            good6[:20],
		"shorter than it says": good6[:44],
		"cut, IPv4":            good4[:10],
		"less, IPv4":           good4[:24],
		"another client":       packetOf(netip.MustParseAddr("2001:db8::9"), server6, udp, make([]byte, 9)),
		"to IPv6":              packetOf(tr.six, netip.MustParseAddr("2001:db8::9"), udp, make([]byte, 9)),
		"to another":           packetOf(server4, netip.MustParseAddr("192.168.5.3"), udp, make([]byte, 9)),
		"options":              with(good4, 0, 0x46),
		"a first fragment":     with(good4, 6, 0x20),
		"a later fragment":     with(good4, 7, 1),
		"another protocol":     packetOf(tr.six, server6, 50, make([]byte, 40)),
		"short TCP":            packetOf(tr.six, server6, tcp, make([]byte, 18)),
		"short UDP":            packetOf(tr.six, server6, udp, make([]byte, 7)),
		"UDP without checksum": with(with(good4, 26, 0), 27, 0),
		"an ICMP error":        packetOf(server4, tr.four, icmp, append([]byte{3, 4}, make([]byte, 30)...)),
		"neighbours":           packetOf(tr.six, server6, icmpv6, append([]byte{135, 0}, make([]byte, 30)...)),
	} {
		require.Nil(t, tr.translate(p), name)
	}
}
