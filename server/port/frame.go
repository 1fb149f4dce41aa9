package port

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// frameHead is the length of a frame before its datagram (RFC 4571 section 2).
const frameHead = 2

// frameBuffer holds any frame that is taken, and a few small ones at once.
const frameBuffer = 2 * maxDatagram

// errFrame says that a frame is longer than any datagram we take.
var errFrame = errors.New("frame too long")

// frameReader reads the datagrams of a TCP connection, RFC 4571.
type frameReader struct {
	// owned by the reader
	r    *bufio.Reader
	last int // bytes of the frame that was returned last
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: bufio.NewReaderSize(r, frameBuffer)}
}

// next returns the next datagram, which is valid until it is called again.
// Empty frames, which some send to keep a NAT awake, are left out.
func (f *frameReader) next() ([]byte, error) {
	for {
		if _, err := f.r.Discard(f.last); err != nil {
			return nil, err
		}
		f.last = 0
		head, err := f.r.Peek(frameHead)
		if err != nil {
			return nil, err
		}
		size := int(binary.BigEndian.Uint16(head))
		if size > maxDatagram {
			return nil, errFrame
		}
		b, err := f.r.Peek(frameHead + size)
		if err != nil {
			return nil, err
		}
		f.last = len(b)
		if size > 0 {
			return b[frameHead:], nil
		}
	}
}

// appendFrame adds a frame with a datagram to out.
func appendFrame(out, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(out, uint16(len(b))), b...)
}
