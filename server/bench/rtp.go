package bench

import (
	"encoding/binary"

	"github.com/heliograph/heliograph/server/bench/client"
)

// rtpHeader is the part of an RTP header that is never encrypted and that a
// viewer looks at for every packet (RFC 3550 5.1).
type rtpHeader struct {
	ts, ssrc uint32
	seq      uint16
	pt       uint8
	marker   bool
}

// readRTP reads the header of an RTP packet; ok is false for RTCP and everything
// that is not RTP.
func readRTP(b []byte) (h rtpHeader, ok bool) {
	if len(b) < 12 || b[0]>>6 != 2 || client.IsRTCP(b) {
		return h, false
	}
	return rtpHeader{
		pt:     b[1] & 0x7f,
		marker: b[1]&0x80 != 0,
		seq:    binary.BigEndian.Uint16(b[2:]),
		ts:     binary.BigEndian.Uint32(b[4:]),
		ssrc:   binary.BigEndian.Uint32(b[8:]),
	}, true
}

// rtpPayload returns what follows the header, its CSRCs and extensions, of a
// decrypted packet, without padding; nil if the packet is malformed.
func rtpPayload(b []byte) []byte {
	at := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 {
		if len(b) < at+4 {
			return nil
		}
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 {
		end -= int(b[len(b)-1])
	}
	if at > end {
		return nil
	}
	return b[at:end]
}
