package chunk

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Limits of a peer.
const (
	maxStreams  = 64      // chunk streams with a message at once
	maxControl  = 4 << 10 // bytes of a message of the protocol itself
	maxCommand  = 64 << 10
	maxAudio    = 1 << 20
	maxVideo    = 8 << 20
	firstBuffer = 64 << 10 // memory that a header alone may ask for
	bufferSize  = 16 << 10
	largest     = 0xffffff // a message, and so a chunk, is at most this long
)

// Errors of bad input; test with errors.Is.
var (
	ErrMalformed = errors.New("malformed RTMP")
	ErrTooLarge  = errors.New("RTMP message beyond the limits")
)

// Reader puts messages together. One goroutine uses it.
type Reader struct {
	// set at construction
	r *bufio.Reader

	// owned by the caller of Read
	size    int // of the peer's chunks
	media   bool
	streams map[uint32]*stream
	held    int // bytes of messages that are not whole
	count   uint32
	ack     func(received uint32) error
	window  uint32
	acked   uint32
}

// stream is one chunk stream: its last header and the message being read.
type stream struct {
	header   Message
	length   int
	delta    uint32
	extended bool // the header had an extended timestamp
	known    bool // there was a header
	reading  bool
	body     []byte
}

// NewReader returns a reader of what follows the handshake. ack is called
// during Read with the number of bytes received whenever the window set by the
// peer is full.
func NewReader(r io.Reader, ack func(received uint32) error) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, bufferSize), size: 128, streams: map[uint32]*stream{}, ack: ack, window: 2_500_000}
}

// AllowMedia lets audio and video be as large as they may be. Before it a
// message is at most 64 KiB: nobody has said yet who he is.
func (r *Reader) AllowMedia() { r.media = true }

// Read returns the next message. Those that only concern the transport (chunk
// size, abort, window) are obeyed and not returned.
func (r *Reader) Read() (Message, error) {
	for {
		m, whole, err := r.chunk()
		if err != nil {
			return Message{}, err
		}
		if err := r.acknowledge(); err != nil {
			return Message{}, err
		}
		if !whole {
			continue
		}
		if handled, err := r.control(m); handled || err != nil {
			if err != nil {
				return Message{}, err
			}
			continue
		}
		return m, nil
	}
}

// control obeys a message that concerns the transport.
func (r *Reader) control(m Message) (bool, error) {
	switch m.Type {
	case SetChunkSize, Abort, Acknowledge, WindowAckSize:
	default:
		return false, nil
	}
	if len(m.Body) < 4 {
		return true, fmt.Errorf("%w: control message of %d bytes", ErrMalformed, len(m.Body))
	}
	v := binary.BigEndian.Uint32(m.Body)
	switch m.Type {
	case SetChunkSize:
		if v == 0 || v > 1<<31-1 {
			return true, fmt.Errorf("%w: chunk size %d", ErrMalformed, v)
		}
		r.size = int(min(v, largest))
	case Abort:
		if s := r.streams[v]; s != nil {
			r.drop(s)
		}
	case WindowAckSize:
		r.window = v
	}
	return true, nil
}

func (r *Reader) acknowledge() error {
	if r.window == 0 || r.count-r.acked < r.window {
		return nil
	}
	r.acked = r.count
	return r.ack(r.count)
}

// chunk reads one chunk; whole is true when a message is complete with it.
func (r *Reader) chunk() (m Message, whole bool, err error) {
	format, id, err := r.basicHeader()
	if err != nil {
		return Message{}, false, err
	}
	s := r.streams[id]
	if s == nil {
		if format != 0 && format != 1 { // 1 is wrong, but seen at the start
			return Message{}, false, fmt.Errorf("%w: chunk without a header before it", ErrMalformed)
		}
		if len(r.streams) >= maxStreams {
			return Message{}, false, fmt.Errorf("%w: more than %d chunk streams", ErrTooLarge, maxStreams)
		}
		s = &stream{}
		r.streams[id] = s
	}
	if format < 3 {
		r.drop(s) // a new header gives up a message that was begun
	}
	if err := r.header(s, format); err != nil {
		return Message{}, false, err
	}
	return r.payload(s)
}

// basicHeader reads the format and the chunk stream's number, section 5.3.1.1.
func (r *Reader) basicHeader() (format byte, id uint32, err error) {
	b, err := r.byte()
	if err != nil {
		return 0, 0, err
	}
	format, id = b>>6, uint32(b&0x3f)
	if id > 1 {
		return format, id, nil
	}
	low, err := r.byte()
	if err != nil || id == 0 {
		return format, uint32(low) + 64, middle(err)
	}
	high, err := r.byte()
	return format, uint32(high)<<8 + uint32(low) + 64, middle(err)
}

// header reads the message header, section 5.3.1.2.
func (r *Reader) header(s *stream, format byte) error {
	var b [11]byte
	n := [4]int{11, 7, 3, 0}[format]
	if err := r.fill(b[:n]); err != nil {
		return err
	}
	if format == 3 {
		return r.again(s)
	}
	delta := uint24(b[:])
	if format < 2 {
		s.length, s.header.Type = int(uint24(b[3:])), b[6]
	}
	if format == 0 {
		s.header.Stream = binary.LittleEndian.Uint32(b[7:])
	}
	s.extended = delta == 0xffffff
	if s.extended {
		if err := r.fill(b[:4]); err != nil {
			return err
		}
		delta = binary.BigEndian.Uint32(b[:])
	}
	s.delta, s.known = delta, true
	if format == 0 {
		s.header.Time = delta
	} else {
		s.header.Time += delta
	}
	return r.begin(s)
}

// again is the chunk without a header of its own: it goes on with a message,
// or begins one that is like the last.
func (r *Reader) again(s *stream) error {
	if !s.known {
		return fmt.Errorf("%w: chunk without a header before it", ErrMalformed)
	}
	if s.extended {
		// The extended timestamp is repeated, but some senders leave it out.
		b, err := r.r.Peek(4)
		if err != nil {
			return middle(err)
		}
		if t := binary.BigEndian.Uint32(b); t == s.delta || t == s.header.Time {
			if err := r.fill(make([]byte, 4)); err != nil {
				return err
			}
		}
	}
	if s.reading {
		return nil
	}
	s.header.Time += s.delta
	return r.begin(s)
}

// begin starts a message, if it may be as long as it says.
func (r *Reader) begin(s *stream) error {
	if most := r.most(s.header.Type); s.length > most {
		return fmt.Errorf("%w: %d bytes of type %d, at most %d", ErrTooLarge, s.length, s.header.Type, most)
	}
	s.reading = true
	s.body = make([]byte, 0, min(s.length, firstBuffer))
	return nil
}

// most returns how long a message of a type may be.
func (r *Reader) most(kind byte) int {
	switch kind {
	case SetChunkSize, Abort, Acknowledge, UserControl, WindowAckSize, PeerBandwidth:
		return maxControl
	case Audio:
		if r.media {
			return maxAudio
		}
	case Video, Aggregate:
		if r.media {
			return maxVideo
		}
	}
	return maxCommand
}

// payload reads what the chunk holds of its message.
func (r *Reader) payload(s *stream) (Message, bool, error) {
	left := min(s.length-len(s.body), r.size)
	for left > 0 {
		n := min(left, firstBuffer)
		if r.held += n; r.held > maxVideo+maxAudio {
			return Message{}, false, fmt.Errorf("%w: too much in messages that are not whole", ErrTooLarge)
		}
		at := len(s.body)
		s.body = grow(s.body, n, s.length)
		if err := r.fill(s.body[at:]); err != nil {
			return Message{}, false, err
		}
		left -= n
	}
	if len(s.body) < s.length {
		return Message{}, false, nil
	}
	m := s.header
	m.Body = s.body
	r.drop(s)
	return m, true, nil
}

// grow makes b longer by n bytes; it never gets more memory than most.
func grow(b []byte, n, most int) []byte {
	if len(b)+n > cap(b) {
		larger := make([]byte, len(b), min(max(2*cap(b), len(b)+n), most))
		copy(larger, b)
		b = larger
	}
	return b[:len(b)+n]
}

// drop forgets a message that was begun.
func (r *Reader) drop(s *stream) {
	r.held -= len(s.body)
	s.body, s.reading = nil, false
}

func (r *Reader) byte() (byte, error) {
	b, err := r.r.ReadByte()
	if err == nil {
		r.count++
	}
	return b, err
}

func (r *Reader) fill(b []byte) error {
	n, err := io.ReadFull(r.r, b)
	r.count += uint32(n)
	return middle(err)
}

// middle tells a connection that ends within a chunk from one that ends.
func middle(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func uint24(b []byte) uint32 { return uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]) }
