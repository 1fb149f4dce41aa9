package doctor

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// maxDatagram bounds what is read at once, in bytes.
const maxDatagram = 2048

// errLong says that something longer came than any answer can be.
var errLong = errors.New("what came back is no answer to a check")

// wire carries datagrams, one Write and one Read each, over whatever way.
type wire interface {
	io.ReadWriter
	SetReadDeadline(time.Time) error
	// lossy says whether a datagram may be lost and is worth sending again.
	lossy() bool
}

// packets is a UDP socket.
type packets struct{ net.Conn }

func (packets) lossy() bool { return true }

// frames is ICE over TCP: a length before each datagram (RFC 4571).
type frames struct{ net.Conn }

func (frames) lossy() bool { return false }

func (f frames) Write(b []byte) (int, error) {
	out := append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
	if _, err := f.Conn.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f frames) Read(b []byte) (int, error) {
	var head [2]byte
	if _, err := io.ReadFull(f.Conn, head[:]); err != nil {
		return 0, err
	}
	size := int(binary.BigEndian.Uint16(head[:]))
	if size > len(b) {
		return 0, errLong
	}
	return io.ReadFull(f.Conn, b[:size])
}

// messages is STUN over a connection: its messages tell their own length (RFC
// 8489 section 6.2.2).
type messages struct{ net.Conn }

func (messages) lossy() bool { return false }

// stunHeader is the length of a STUN header, in bytes.
const stunHeader = 20

func (m messages) Read(b []byte) (int, error) {
	if _, err := io.ReadFull(m.Conn, b[:stunHeader]); err != nil {
		return 0, err
	}
	size := stunHeader + int(binary.BigEndian.Uint16(b[2:]))
	if size > len(b) || b[0] > 3 {
		return 0, errLong
	}
	if _, err := io.ReadFull(m.Conn, b[stunHeader:size]); err != nil {
		return 0, err
	}
	return size, nil
}
