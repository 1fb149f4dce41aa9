package bench

import (
	"bytes"
	"encoding/hex"
)

// A stamp travels in a user_data_unregistered SEI message (H.264 D.1.7): the
// UUID below, then 24 hexadecimal digits. Digits instead of binary numbers
// keep zero bytes away, so no emulation prevention (7.4.1) can move them and
// the sender may patch them in place.
const (
	nalSEI          = 6
	seiUserData     = 5
	stampUUID       = "\x6b\x1d\xc9\x0e\x72\xa4\x4c\x8f\x9b\x35\xe1\x57\x2f\xd8\x86\xc3"
	stampDigits     = 24
	stampPayload    = len(stampUUID) + stampDigits
	stampPadding    = 0xA5 // anything that is never part of a start code
	rbspStop        = 0x80
	seiLongestBytes = 1 << 16
)

// stamp says when a frame was sent.
type stamp struct {
	sentNs int64  // Unix time in ns
	frame  uint32 // number of the frame since the publisher began
}

// put writes the digits of s over dst, which must hold stampDigits bytes.
func (s stamp) put(dst []byte) {
	var raw [12]byte
	for i := range 8 {
		raw[i] = byte(uint64(s.sentNs) >> (56 - 8*i))
	}
	for i := range 4 {
		raw[8+i] = byte(s.frame >> (24 - 8*i))
	}
	hex.Encode(dst[:stampDigits], raw[:])
}

// stampNAL makes an SEI NAL of size bytes (one less where a message of the
// right length does not exist, and never less than the smallest possible),
// and says where its digits are.
func stampNAL(size int) (nal []byte, digitsAt int) {
	// Header, type, one size byte per 255 bytes, payload, stop bit.
	pad := max(0, size-(1+1+1+stampPayload+1))
	for ; ; pad-- {
		n := stampPayload + pad
		if pad == 0 || 1+1+n/255+1+n+1 <= size {
			break
		}
	}
	payload := stampPayload + pad
	nal = append(nal, nalSEI, seiUserData)
	for n := payload; ; n -= 255 {
		if n < 255 {
			nal = append(nal, byte(n))
			break
		}
		nal = append(nal, 255)
	}
	nal = append(nal, stampUUID...)
	digitsAt = len(nal)
	nal = append(nal, bytes.Repeat([]byte{'0'}, stampDigits)...)
	nal = append(nal, bytes.Repeat([]byte{stampPadding}, pad)...)
	return append(nal, rbspStop), digitsAt
}

// readStamp looks for a stamp in the body of an SEI NAL, which is what
// follows the NAL's header byte. The body may end early, as in the first
// fragment of a NAL that a server has cut up.
func readStamp(body []byte) (stamp, bool) {
	if len(body) > seiLongestBytes {
		return stamp{}, false
	}
	if bytes.Contains(body, []byte{0, 0, 3}) {
		body = unescape(body)
	}
	for len(body) > 2 {
		kind, rest := seiNumber(body)
		size, rest := seiNumber(rest)
		if kind == seiUserData && size >= stampPayload {
			if s, ok := digits(rest); ok {
				return s, true
			}
		}
		if size >= len(rest) {
			break
		}
		body = rest[size:]
	}
	return stamp{}, false
}

// seiNumber reads a type or a size: 255 for each byte 0xFF, plus the last.
func seiNumber(b []byte) (int, []byte) {
	n := 0
	for i, c := range b {
		n += int(c)
		if c != 0xFF {
			return n, b[i+1:]
		}
	}
	return n, nil
}

func digits(payload []byte) (stamp, bool) {
	if len(payload) < stampPayload || string(payload[:len(stampUUID)]) != stampUUID {
		return stamp{}, false
	}
	var raw [12]byte
	if _, err := hex.Decode(raw[:], payload[len(stampUUID):stampPayload]); err != nil {
		return stamp{}, false
	}
	var s stamp
	for _, c := range raw[:8] {
		s.sentNs = s.sentNs<<8 | int64(c)
	}
	for _, c := range raw[8:] {
		s.frame = s.frame<<8 | uint32(c)
	}
	return s, true
}

// unescape removes the emulation prevention bytes (H.264 7.4.1).
func unescape(b []byte) []byte {
	out := make([]byte, 0, len(b))
	zeros := 0
	for _, c := range b {
		if zeros >= 2 && c == 3 {
			zeros = 0
			continue
		}
		zeros++
		if c != 0 {
			zeros = 0
		}
		out = append(out, c)
	}
	return out
}
