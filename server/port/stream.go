package port

import (
	"bytes"
	"encoding/binary"
)

// Stream is what a TCP connection speaks.
type Stream uint8

// The kinds of a TCP connection.
const (
	StreamMore    Stream = iota // too few bytes to tell
	StreamUnknown               // nothing served here
	StreamHTTP                  // HTTP/1, or HTTP/2 with prior knowledge
	StreamTURN                  // STUN and TURN, RFC 8656 section 3.1
	StreamICE                   // ICE over TCP: STUN in the frames of RFC 4571
	StreamTLS                   // TLS, RFC 8446 section 5.1; what is in it is told apart again
	StreamRTMP                  // RTMP, section 5.2.2 of its specification
	StreamRTSP                  // RTSP, RFC 2326 and RFC 7826
)

// streamPrefix is how many bytes always suffice to tell.
const streamPrefix = 16

// ClassifyStream tells what a TCP connection speaks from its first bytes. It
// says StreamMore only while the bytes may still become something, and never
// changes its mind when more bytes follow.
func ClassifyStream(b []byte) Stream {
	switch {
	case len(b) == 0:
		return StreamMore
	case b[0] <= 2:
		return streamSTUN(b)
	case b[0] == 3: // C0, the version; the rest of the handshake is of any bytes
		return StreamRTMP
	case b[0] == 0x16:
		return streamTLS(b)
	case b[0] >= 'A' && b[0] <= 'Z':
		return streamText(b)
	}
	return StreamUnknown
}

// streamTLS wants a handshake record of any version of TLS.
func streamTLS(b []byte) Stream {
	switch {
	case len(b) < 2:
		return StreamMore
	case b[1] == 3:
		return StreamTLS
	}
	return StreamUnknown
}

// streamSTUN wants the cookie of STUN at the place where TURN has it, or two
// bytes later, behind the length of a frame. As lengths of a message the
// first two bytes of the cookie are more than a frame may have, so no bytes
// are both.
func streamSTUN(b []byte) Stream {
	turn, ice := maybeTURN(b), maybeICE(b)
	switch {
	case turn && len(b) >= 8:
		return StreamTURN
	case ice && len(b) >= 10:
		return StreamICE
	case turn || ice:
		return StreamMore
	}
	return StreamUnknown
}

// maybeTURN says whether b can begin a STUN request of a TURN client: one of
// ours begins with Allocate or Binding.
func maybeTURN(b []byte) bool {
	for i, c := range b[:min(len(b), 8)] {
		switch {
		case i == 0 && c != 0,
			i == 1 && c != bindingRequest && c != allocateRequest && c != refreshRequest,
			i == 3 && c&3 != 0, // lengths are multiples of four
			i >= 4 && c != cookieByte(i-4):
			return false
		}
	}
	return true
}

// maybeICE says whether b can begin a frame that holds one Binding request.
func maybeICE(b []byte) bool {
	for i, c := range b[:min(len(b), 10)] {
		switch {
		case i == 2 && c != 0,
			i == 3 && c != bindingRequest,
			i == 5 && int(binary.BigEndian.Uint16(b[4:]))+stunHeader != int(binary.BigEndian.Uint16(b)),
			i >= 6 && c != cookieByte(i-6):
			return false
		}
	}
	return true
}

// cookieByte is one of the four bytes of STUN's cookie.
func cookieByte(i int) byte { return byte(uint32(stunCookie) >> (8 * (3 - i))) }

// streamText wants a method: three capitals and then more of them or a space.
// PRI * is the beginning of HTTP/2; PROXY is another protocol's.
func streamText(b []byte) Stream {
	if bytes.HasPrefix(b, []byte("PROXY")) {
		return StreamUnknown
	}
	for i, c := range b[:min(len(b), streamPrefix)] {
		if c == ' ' && i >= 3 {
			return streamRequest(string(b[:i]), b[i+1:min(len(b), streamPrefix)])
		}
		if (c < 'A' || c > 'Z') && c != '_' {
			return StreamUnknown
		}
	}
	if len(b) < streamPrefix {
		return StreamMore
	}
	return StreamHTTP // a long method: let the HTTP server say no
}

// streamRequest tells RTSP from HTTP, whose requests look alike: by the method,
// or for the one that both have by what is asked.
func streamRequest(method string, rest []byte) Stream {
	switch method {
	case "DESCRIBE", "ANNOUNCE", "SETUP", "PLAY", "PAUSE", "RECORD", "TEARDOWN", "REDIRECT",
		"GET_PARAMETER", "SET_PARAMETER", "PLAY_NOTIFY":
		return StreamRTSP
	case "OPTIONS":
		return streamOptions(rest)
	}
	return StreamHTTP
}

// streamOptions looks at the target of OPTIONS, "rtsp://host/stream" or "*", and
// for that one at the version behind it.
func streamOptions(target []byte) Stream {
	for _, start := range []string{"rtsp", "* RTSP"} {
		n := min(len(target), len(start))
		if bytes.EqualFold(target[:n], []byte(start[:n])) {
			if n == len(start) {
				return StreamRTSP
			}
			return StreamMore
		}
	}
	return StreamHTTP
}
