package srt

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	gosrt "github.com/datarhei/gosrt"
)

// errLost is why a connection ended that nobody closed.
var errLost = errors.New("the connection was lost")

// errLeft is why a connection ended that the caller closed.
var errLeft = errors.New("the caller closed the connection")

// session is one caller, from its request to its end.
type session struct {
	// set at construction
	server  *Server
	request gosrt.ConnRequest
	said    handshake
	peer    netip.AddrPort
	network netip.Addr
	log     *slog.Logger

	// owned by serve
	access access

	// guarded by mu
	mu     sync.Mutex
	conn   gosrt.Conn // nil until accepted
	reason error      // why it was closed, nil while it is not
	state  watched

	// atomic
	heard     atomic.Int64 // when media came last, ns; 0 for one that sends none
	goodbye   atomic.Bool  // the caller closed the connection
	publishes atomic.Bool
	answered  atomic.Uint64 // the newest of our acknowledgements that the caller answered, as far as it was looked at
	looked    atomic.Int64  // when, ns
}

// accept answers the request. The connection may have been closed before.
func (s *session) accept() (gosrt.Conn, error) {
	c, err := s.request.Accept()
	if err != nil {
		return nil, err
	}
	s.heard.Store(time.Now().UnixNano())
	s.mu.Lock()
	s.conn = c
	reason := s.reason
	s.mu.Unlock()
	if reason != nil {
		_ = c.Close()
		return nil, reason
	}
	return c, nil
}

// close ends the session; the first reason counts. It may be called from
// anywhere and more than once.
func (s *session) close(reason error) {
	s.mu.Lock()
	if s.reason == nil {
		s.reason = reason
	}
	c := s.conn
	s.mu.Unlock()
	if c != nil {
		_ = c.Close()
	}
}

// why returns the reason of a session whose connection has ended.
func (s *session) why() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.reason != nil:
		return s.reason
	case s.goodbye.Load():
		return errLeft
	}
	return errLost
}

// watch closes a session that does what none may.
func (s *session) watch(now time.Time) {
	s.mu.Lock()
	c := s.conn
	if c == nil || s.reason != nil {
		s.mu.Unlock()
		return
	}
	var st gosrt.Statistics
	c.Stats(&st)
	publishes := s.publishes.Load()
	err := s.state.look(&st, !publishes, s.answered.Load())
	s.mu.Unlock()
	if err == nil && publishes && now.UnixNano()-s.heard.Load() > int64(s.server.silence) {
		err = errSilent
	}
	if err != nil {
		s.close(err)
	}
}

// maxOutOfOrder is how many reads in a row may fail before a connection is
// taken to be closed: the library says io.EOF to a packet out of order, too.
const maxOutOfOrder = 16

// read hands every packet's payload to take until the connection has ended or
// take fails. The payload is the library's again when take returns.
func (s *session) read(c gosrt.Conn, take func(payload []byte) error) error {
	for failed := 0; failed < maxOutOfOrder; {
		p, err := c.ReadPacket()
		if errors.Is(err, io.EOF) {
			failed++
			continue
		}
		if err != nil {
			return err
		}
		failed = 0
		s.heard.Store(time.Now().UnixNano())
		err = take(p.Data())
		p.Decommission()
		if err != nil {
			return err
		}
	}
	return s.why()
}
