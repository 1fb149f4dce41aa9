package clip

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
)

// A Stamp travels in a user_data_unregistered SEI message (H.264 D.1.7): the
// UUID below, then 24 hexadecimal digits. Digits instead of binary numbers
// keep zero bytes away, so no emulation prevention (7.4.1) can move them and
// the sender may patch them in place.
const (
	seiUserData     = 5
	stampUUID       = "\x6b\x1d\xc9\x0e\x72\xa4\x4c\x8f\x9b\x35\xe1\x57\x2f\xd8\x86\xc3"
	stampDigits     = 24
	stampPayload    = len(stampUUID) + stampDigits
	stampPadding    = 0xA5 // anything that is never part of a start code
	rbspStop        = 0x80
	seiLongestBytes = 1 << 16
)

// Stamp says when a frame was sent.
type Stamp struct {
	SentNs int64  // Unix time in ns
	Frame  uint32 // number of the frame since the publisher began
}

// put writes the digits of s over dst, which must hold stampDigits bytes.
func (s Stamp) put(dst []byte) {
	var raw [12]byte
	binary.BigEndian.PutUint64(raw[:], uint64(s.SentNs))
	binary.BigEndian.PutUint32(raw[8:], s.Frame)
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
	nal = append(nal, NALSEI, seiUserData)
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

// ReadStamp looks for a stamp in the body of an SEI NAL, which is what
// follows the NAL's header byte. The body may end early, as in the first
// fragment of a NAL that a server has cut up.
func ReadStamp(body []byte) (Stamp, bool) {
	if len(body) > seiLongestBytes {
		return Stamp{}, false
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
	return Stamp{}, false
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

func digits(payload []byte) (Stamp, bool) {
	if len(payload) < stampPayload || string(payload[:len(stampUUID)]) != stampUUID {
		return Stamp{}, false
	}
	var raw [12]byte
	if _, err := hex.Decode(raw[:], payload[len(stampUUID):stampPayload]); err != nil {
		return Stamp{}, false
	}
	return Stamp{
		SentNs: int64(binary.BigEndian.Uint64(raw[:])),
		Frame:  binary.BigEndian.Uint32(raw[8:]),
	}, true
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
