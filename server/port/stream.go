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
)

// streamPrefix is how many bytes always suffice to tell.
const streamPrefix = 8

// ClassifyStream tells what a TCP connection speaks from its first bytes. It
// says StreamMore only while the bytes may still become something, and never
// changes its mind when more bytes follow.
func ClassifyStream(b []byte) Stream {
	switch {
	case len(b) == 0:
		return StreamMore
	case b[0] == 0:
		return streamSTUN(b)
	case b[0] >= 'A' && b[0] <= 'Z':
		return streamHTTP(b)
	}
	return StreamUnknown
}

// streamSTUN wants a STUN request with the cookie: a client of ours begins
// with Allocate (0x0003) or Binding (0x0001).
func streamSTUN(b []byte) Stream {
	var cookie [4]byte
	binary.BigEndian.PutUint32(cookie[:], stunCookie)
	for i, c := range b[:min(len(b), streamPrefix)] {
		switch {
		case i == 1 && c != methodBinding && c != methodAllocate && c != methodRefresh,
			i == 3 && c&3 != 0, // lengths are multiples of four
			i >= 4 && c != cookie[i-4]:
			return StreamUnknown
		}
	}
	if len(b) < streamPrefix {
		return StreamMore
	}
	return StreamTURN
}

// streamHTTP wants a method: three capitals and then more of them or a space.
// PRI * is the beginning of HTTP/2; PROXY is another protocol's.
func streamHTTP(b []byte) Stream {
	if bytes.HasPrefix(b, []byte("PROXY")) {
		return StreamUnknown
	}
	for i, c := range b[:min(len(b), streamPrefix)] {
		if c == ' ' && i >= 3 {
			return StreamHTTP
		}
		if c < 'A' || c > 'Z' {
			return StreamUnknown
		}
	}
	if len(b) < streamPrefix {
		return StreamMore
	}
	return StreamHTTP // a long method: let the HTTP server say no
}
