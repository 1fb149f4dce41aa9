package client

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	streamBuffer = 32 << 10
	// pieceSize is how much of a connection is read at once. What came together
	// has one time, that of its end: small pieces tell more.
	pieceSize = 2048
	// maxPieces bounds the pieces of one turn.
	maxPieces = 512
)

// dial opens the way to a TURN server.
func dial(ctx context.Context, r Relay) (link, netip.AddrPort, error) {
	address := net.JoinHostPort(r.Host, strconv.Itoa(r.Port))
	server, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("%s is not known: %w", r.Host, err)
	}
	var from net.IP
	if server.IP.IsLoopback() && server.IP.To4() != nil && r.Loopback.IsValid() {
		from = r.Loopback.AsSlice()
	}
	at := netip.AddrPortFrom(server.AddrPort().Addr().Unmap(), uint16(server.Port))
	if r.Way == UDP {
		s, err := openSocket(&net.UDPAddr{IP: from}, at.Addr().Is4())
		return s, at, err
	}
	d := net.Dialer{}
	if from != nil {
		d.LocalAddr = &net.TCPAddr{IP: from}
	}
	conn, err := d.DialContext(ctx, "tcp", at.String())
	if err != nil {
		return nil, at, fmt.Errorf("no connection to %s: %w", at, err)
	}
	s := newStream(conn.(*net.TCPConn))
	if r.Way == TLS {
		// Any certificate will do: this is a measurement, often of a server that
		// signed its own, and nothing secret goes this way. The password of TURN is
		// proved and not sent, and the media have keys of their own, from DTLS.
		secure := tls.Client(s.raw, &tls.Config{ServerName: r.Host, InsecureSkipVerify: true}) //nolint:gosec // see above
		if err = secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, at, fmt.Errorf("no TLS with %s: %w", at, err)
		}
		s.conn = secure
	}
	return s, at, nil
}

// stream is a client's connection to a TURN server, within TLS or not. After
// detach a Batch reads it, and nobody is woken when something comes.
type stream struct {
	// set at construction
	raw  *rawConn
	conn net.Conn // raw, or the TLS in it

	// owned by the reader
	buf    []byte
	held   int // bytes of a message that is not whole yet
	broken bool

	// guarded by mu
	mu sync.Mutex // held while something is sent
}

func newStream(conn *net.TCPConn) *stream {
	_ = stampArrivals(conn)
	raw := &rawConn{conn: conn, fd: -1, oob: make([]byte, controlSize)}
	return &stream{raw: raw, conn: raw, buf: make([]byte, streamBuffer)}
}

func (s *stream) send(b []byte, _ netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.conn.Write(b); err != nil {
		_ = s.raw.Close() // a part of a message may be gone; the reader will see
	}
}

// read hands on what comes until the connection ends or is detached.
func (s *stream) read(c *Client) {
	for s.piece(c) >= 0 {
	}
}

// receive hands on what has come since.
func (s *stream) receive(_ *Batch, c *Client) int {
	total := 0
	for range maxPieces {
		n := s.piece(c)
		if n < 0 {
			break
		}
		total += n
	}
	return total
}

// piece reads once and hands on the messages that are whole. It returns how
// many there were, and less than 0 when there is nothing more to read.
func (s *stream) piece(c *Client) int {
	if s.broken {
		return -1
	}
	n, err := s.conn.Read(s.buf[s.held:min(len(s.buf), s.held+2*maxDatagram)])
	s.held += n
	count := s.split(c)
	if err == nil && !s.broken {
		return count
	}
	if !errors.Is(err, emptyError{}) {
		s.broken = true
		_ = c.pipe.Close() // which ends DTLS and with it the client
	}
	return -1
}

// split hands on the whole messages in the buffer and moves the rest to its
// start. One that is longer than any we may get breaks the connection.
func (s *stream) split(c *Client) int {
	at := s.raw.arrived
	if at == 0 {
		at = time.Now().UnixNano()
	}
	count, b := 0, s.buf[:s.held]
	for len(b) >= channelHeader {
		size := channelHeader + (int(binary.BigEndian.Uint16(b[2:]))+3)&^3
		if b[0] < 4 {
			size += 16 // the rest of a STUN header
		}
		if size > 2*maxDatagram {
			s.broken = true
			return count
		}
		if size > len(b) {
			break
		}
		c.arrived(b[:size], netip.AddrPort{}, at)
		b = b[size:]
		count++
	}
	s.held = copy(s.buf, b)
	return count
}

func (s *stream) detach() bool { return s.raw.detach() }

func (s *stream) close() { _ = s.conn.Close() }

// emptyError says that a detached connection has nothing to read just now. TLS
// takes it for a timeout, after which it goes on.
type emptyError struct{}

// Error tells what is wrong, which nobody sees.
func (emptyError) Error() string { return "nothing to read" }

// Timeout is true.
func (emptyError) Timeout() bool { return true }

// Temporary is true.
func (emptyError) Temporary() bool { return true }

// rawConn is a TCP connection that can be taken away from the Go runtime while
// it is in use.
type rawConn struct {
	// owned by the reader
	oob     []byte
	arrived int64 // of what was read last, in ns of Unix time; 0 where the kernel does not say

	mu sync.Mutex
	// guarded by mu
	conn *net.TCPConn // nil after detach and Close
	fd   int          // after detach; -1 otherwise
}

func (r *rawConn) state() (*net.TCPConn, int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conn, r.fd
}

// Read waits for something to come; after detach it returns emptyError instead.
func (r *rawConn) Read(b []byte) (int, error) {
	conn, fd := r.state()
	if conn != nil {
		n, err := conn.Read(b)
		if err == nil || n > 0 {
			return n, nil
		}
		if _, fd = r.state(); fd < 0 {
			return 0, err
		}
		return 0, emptyError{} // taken away while it waited
	}
	if fd < 0 {
		return 0, net.ErrClosed
	}
	n, at, err := receiveStamped(fd, b[:min(len(b), pieceSize)], r.oob)
	r.arrived = at
	return n, err
}

// Write sends all of b.
func (r *rawConn) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.conn != nil:
		return r.conn.Write(b)
	case r.fd >= 0:
		return writeAll(r.fd, b)
	}
	return 0, net.ErrClosed
}

func (r *rawConn) detach() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return false
	}
	own, err := duplicate(r.conn)
	if err != nil {
		return false
	}
	conn := r.conn
	r.conn, r.fd = nil, own
	_ = conn.Close()
	return true
}

// Close closes the connection; it may be called twice.
func (r *rawConn) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn != nil {
		_ = r.conn.Close()
	}
	if r.fd >= 0 {
		closeFile(r.fd)
	}
	r.conn, r.fd = nil, -1
	return nil
}

// The rest of net.Conn.

// LocalAddr is nothing that TLS asks for.
func (r *rawConn) LocalAddr() net.Addr { return nil }

// RemoteAddr is nothing that TLS asks for.
func (r *rawConn) RemoteAddr() net.Addr { return nil }

// SetDeadline sets both deadlines, until detach.
func (r *rawConn) SetDeadline(t time.Time) error { return r.deadline(t, (*net.TCPConn).SetDeadline) }

// SetReadDeadline sets that of reading, until detach.
func (r *rawConn) SetReadDeadline(t time.Time) error {
	return r.deadline(t, (*net.TCPConn).SetReadDeadline)
}

// SetWriteDeadline sets that of writing, until detach.
func (r *rawConn) SetWriteDeadline(t time.Time) error {
	return r.deadline(t, (*net.TCPConn).SetWriteDeadline)
}

func (r *rawConn) deadline(t time.Time, set func(*net.TCPConn, time.Time) error) error {
	if conn, _ := r.state(); conn != nil {
		return set(conn, t)
	}
	return nil
}
