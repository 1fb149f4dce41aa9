package port

import (
	"container/list"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of connections that have not yet said what they are.
const (
	sniffTimeout     = 5 * time.Second
	maxSilent        = 1024 // in all
	maxSilentPerAddr = 16   // of one network
)

// turnBuffer is what the kernel may hold of a TURN connection's media. More
// would only be older when it arrives; 30 Mbit/s need as much for 50 ms.
const turnBuffer = 192 << 10

// acceptPause is the wait after a failed accept, which is nearly always a
// want of file descriptors.
const acceptPause = 50 * time.Millisecond

// streams accepts TCP connections and sorts them.
type streams struct {
	// set at construction
	listener *net.TCPListener
	http     *listener
	turn     *listener
	log      *slog.Logger
	count    *counters
	timeout  time.Duration // for the first bytes
	// guarded by mu
	mu      sync.Mutex
	closed  bool
	silent  *list.List // of *silentConn, the oldest first
	perAddr map[netip.Addr]int
	// owned by run
	sniffing sync.WaitGroup
}

// silentConn is a connection that has not yet said what it is.
type silentConn struct {
	net.Conn
	network netip.Addr
	gone    bool // guarded by streams.mu: no longer counted
}

func newStreams(l *net.TCPListener, log *slog.Logger, count *counters) *streams {
	return &streams{
		listener: l, http: newListener(l.Addr()), turn: newListener(l.Addr()),
		log: log, count: count, timeout: sniffTimeout, silent: list.New(), perAddr: map[netip.Addr]int{},
	}
}

// run accepts until the listener is closed, and waits for all that it began.
func (s *streams) run() error {
	defer s.sniffing.Wait()
	failed := false
	for {
		c, err := s.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			if !failed {
				s.log.Warn("cannot accept connections; if it says too many open files, raise the limit (ulimit -n)", "err", err)
			}
			failed = true
			time.Sleep(acceptPause)
			continue
		}
		failed = false
		if e := s.admit(c); e != nil {
			s.sniffing.Go(func() { s.sniff(e) })
		}
	}
}

// admit counts a silent connection. When there are too many of its network or
// in all, the one that was silent longest is closed: a client that has
// something to say does so at once.
func (s *streams) admit(c *net.TCPConn) *list.Element {
	network := limit.Network(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return nil
	}
	if s.perAddr[network] >= maxSilentPerAddr {
		s.evict(func(o *silentConn) bool { return o.network == network })
	} else if s.silent.Len() >= maxSilent {
		s.evict(func(*silentConn) bool { return true })
	}
	s.perAddr[network]++
	return s.silent.PushBack(&silentConn{Conn: c, network: network})
}

// evict closes the oldest silent connection of those that match; mu is held.
func (s *streams) evict(match func(*silentConn) bool) {
	for e := s.silent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*silentConn); match(c) {
			s.remove(e)
			s.count.streams.evicted.Inc()
			_ = c.Close()
			return
		}
	}
}

// remove ends the silence of a connection; mu is held. It says whether the
// connection was still there.
func (s *streams) remove(e *list.Element) bool {
	c := e.Value.(*silentConn)
	if c.gone {
		return false
	}
	c.gone = true
	s.silent.Remove(e)
	if s.perAddr[c.network]--; s.perAddr[c.network] == 0 {
		delete(s.perAddr, c.network)
	}
	return true
}

// sniff reads the first bytes of a connection and hands it on.
func (s *streams) sniff(e *list.Element) {
	c := e.Value.(*silentConn).Conn.(*net.TCPConn)
	defer func() {
		if r := recover(); r != nil {
			s.count.panics.Inc()
			s.log.Error("connection failed", "cause", r, "stack", string(debug.Stack()))
			_ = c.Close()
		}
	}()
	prefix, kind := s.readPrefix(c)
	s.mu.Lock()
	alive := s.remove(e)
	s.mu.Unlock()
	if !alive || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	s.handOn(c, prefix, kind)
}

// readPrefix reads until it can tell what a connection speaks.
func (s *streams) readPrefix(c *net.TCPConn) ([]byte, Stream) {
	if err := c.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return nil, StreamMore
	}
	prefix := make([]byte, 0, streamPrefix)
	for {
		n, err := c.Read(prefix[len(prefix):streamPrefix])
		prefix = prefix[:len(prefix)+n]
		if kind := ClassifyStream(prefix); kind != StreamMore || err != nil {
			return prefix, kind
		}
	}
}

// handOn gives a connection to the listener of its kind.
func (s *streams) handOn(c *net.TCPConn, prefix []byte, kind Stream) {
	to := s.http
	switch kind {
	case StreamHTTP:
		s.count.streams.http.Inc()
	case StreamTURN:
		s.count.streams.turn.Inc()
		to = s.turn
		_ = c.SetWriteBuffer(turnBuffer)
	case StreamMore:
		s.count.streams.silent.Inc()
		_ = c.Close()
		return
	default:
		s.count.streams.garbage.Inc()
		_ = c.Close()
		return
	}
	if !to.offer(&prefixConn{Conn: c, tcp: c, prefix: prefix}) {
		_ = c.Close()
	}
}

// close closes the listeners and every connection that is still silent.
func (s *streams) close() {
	_ = s.listener.Close()
	_ = s.http.Close()
	_ = s.turn.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for e := s.silent.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*silentConn).Close()
	}
}

// prefixConn is a connection of which the first bytes were read already.
type prefixConn struct {
	net.Conn
	tcp    *net.TCPConn
	prefix []byte // owned by the reader
}

// Read returns the bytes read already, then those of the connection.
func (c *prefixConn) Read(b []byte) (int, error) {
	if len(c.prefix) > 0 {
		n := copy(b, c.prefix)
		c.prefix = c.prefix[n:]
		return n, nil
	}
	return c.tcp.Read(b)
}

// ReadFrom lets the kernel send files.
func (c *prefixConn) ReadFrom(r io.Reader) (int64, error) { return c.tcp.ReadFrom(r) }

// CloseWrite ends the sending half.
func (c *prefixConn) CloseWrite() error { return c.tcp.CloseWrite() }
