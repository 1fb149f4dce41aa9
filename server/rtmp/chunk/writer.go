package chunk

import (
	"encoding/binary"
	"fmt"
	"io"
)

// ChunkSize is that of all chunks we send, once the peer was told; large enough
// to cost nothing, and what common encoders use.
const ChunkSize = 4096

// Writer cuts messages into chunks. It is used under the caller's lock.
type Writer struct {
	// set at construction
	w io.Writer

	// owned by the caller
	size int
	buf  []byte
}

// NewWriter returns a writer whose first message to send is SetSize.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w, size: 128} }

// Announce tells the peer our chunk size and keeps to it.
func (w *Writer) Announce() error {
	err := w.Write(Message{Type: SetChunkSize, Body: binary.BigEndian.AppendUint32(nil, ChunkSize)})
	w.size = ChunkSize
	return err
}

// Write sends messages, all in one piece.
func (w *Writer) Write(list ...Message) error {
	w.buf = w.buf[:0]
	for _, m := range list {
		if len(m.Body) > largest {
			return fmt.Errorf("%w: %d bytes to send", ErrTooLarge, len(m.Body))
		}
		w.append(m)
	}
	_, err := w.w.Write(w.buf)
	if cap(w.buf) > 1<<20 {
		w.buf = nil
	}
	return err
}

// append cuts one message. Every message has a full header: eight bytes more
// than need be, and nothing that a peer could understand otherwise.
func (w *Writer) append(m Message) {
	id := streamOf(m.Type)
	stamp := min(m.Time, 0xffffff)
	w.buf = append(w.buf, id, byte(stamp>>16), byte(stamp>>8), byte(stamp),
		byte(len(m.Body)>>16), byte(len(m.Body)>>8), byte(len(m.Body)), m.Type)
	w.buf = binary.LittleEndian.AppendUint32(w.buf, m.Stream)
	body := m.Body
	for first := true; first || len(body) > 0; first = false {
		if !first {
			w.buf = append(w.buf, 0xc0|id)
		}
		if stamp == 0xffffff {
			w.buf = binary.BigEndian.AppendUint32(w.buf, m.Time)
		}
		n := min(len(body), w.size)
		w.buf = append(w.buf, body[:n]...)
		body = body[n:]
	}
}

// streamOf returns the chunk stream of a type of message.
func streamOf(kind byte) byte {
	switch kind {
	case CommandAMF0, CommandAMF3:
		return 3
	case Audio:
		return 4
	case DataAMF0, DataAMF3:
		return 5
	case Video:
		return 6
	}
	return 2
}
