package udp

// Reader reads one socket. It belongs to one goroutine.
type Reader struct {
	// set at construction
	socket  *Socket
	handler Handler
	// owned by Read
	batch batch
}

// NewReader returns a reader that hands what it reads to h.
func NewReader(s *Socket, h Handler) *Reader {
	r := &Reader{socket: s, handler: h}
	r.prepare()
	return r
}

// Read reads until an error, which is net.ErrClosed when the socket is closed.
// It may be called again, also after a panic of the Handler: then it goes on
// with the datagram after, and none is lost.
func (r *Reader) Read() error { return r.read() }
