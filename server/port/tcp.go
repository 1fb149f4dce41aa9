package port

import (
	"container/list"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of TCP connections. Many people may share one IPv4 address.
const (
	maxSilent        = 1024 // that have not yet said what they are, in all
	maxSilentPerAddr = 64   // the same, of one network
	maxOpenPerAddr   = 1024 // of one network in all; loopback, where a proxy may be, has no limit
)

// acceptPause is the wait after a failed accept, which is nearly always a
// want of file descriptors.
const acceptPause = 50 * time.Millisecond

// streams accepts TCP connections and sorts them.
type streams struct {
	// set at construction
	listener *net.TCPListener
	port     *Port
	log      *slog.Logger
	tls      *tls.Config // nil for no TLS
	times    sniffTimes
	files    *limit.Files
	// guarded by mu
	mu      sync.Mutex
	closed  bool
	doors   map[Stream]*listener // of those who take connections
	silent  *list.List           // of *silentConn, the oldest first
	perAddr map[netip.Addr]crowd
	// owned by run
	serving sync.WaitGroup
}

// crowd counts the connections of one network.
type crowd struct{ open, silent int }

// silentConn is a connection that has not yet said what it is.
type silentConn struct {
	*accepted
	network netip.Addr
	gone    bool // guarded by streams.mu: no longer counted
}

func newStreams(l *net.TCPListener, cfg *tls.Config, p *Port) *streams {
	return &streams{
		listener: l, port: p, log: p.log, tls: serverTLS(cfg), times: defaultTimes(), files: limit.NewFiles(p.log),
		doors:  map[Stream]*listener{StreamHTTP: newListener(l.Addr()), StreamTURN: newListener(l.Addr())},
		silent: list.New(), perAddr: map[netip.Addr]crowd{},
	}
}

// door returns the listener for the connections of one kind.
func (s *streams) door(kind Stream) *listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.doors[kind]
	if d == nil {
		d = newListener(s.listener.Addr())
		s.doors[kind] = d
		if s.closed {
			_ = d.Close()
		}
	}
	return d
}

// run accepts until the listener is closed, and waits for all that it began.
func (s *streams) run() error {
	defer s.serving.Wait()
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
			s.serving.Go(func() { s.sniff(e) })
		}
	}
}

// admit counts a connection, silent as they all begin. When there are too many
// silent ones of its network or in all, the one that was silent longest is
// closed: a client that has something to say does so at once.
func (s *streams) admit(c *net.TCPConn) *list.Element {
	network := limit.Network(c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || !s.welcome(network) {
		_ = c.Close()
		return nil
	}
	if s.perAddr[network].silent >= maxSilentPerAddr {
		s.evict(func(o *silentConn) bool { return o.network == network })
	} else if s.silent.Len() >= maxSilent {
		s.evict(func(*silentConn) bool { return true })
	}
	s.add(network, crowd{open: 1, silent: 1})
	a := &accepted{TCPConn: c, release: func() { s.release(network) }}
	return s.silent.PushBack(&silentConn{accepted: a, network: network})
}

// welcome says whether one more connection of a network may be open, and takes
// a file for it; mu is held.
func (s *streams) welcome(network netip.Addr) bool {
	switch {
	case s.perAddr[network].open >= maxOpenPerAddr && !network.IsLoopback():
		s.port.count.streams.crowd.Inc()
	case !s.files.Take():
		s.port.count.streams.full.Inc()
	default:
		return true
	}
	return false
}

// add changes the counts of a network; mu is held.
func (s *streams) add(network netip.Addr, by crowd) {
	n := s.perAddr[network]
	n.open += by.open
	n.silent += by.silent
	if n == (crowd{}) {
		delete(s.perAddr, network)
		return
	}
	s.perAddr[network] = n
}

// release gives back the place of a connection that is closed.
func (s *streams) release(network netip.Addr) {
	s.files.Give()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(network, crowd{open: -1})
}

// evict closes the oldest silent connection of those that match; mu is held.
func (s *streams) evict(match func(*silentConn) bool) {
	for e := s.silent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*silentConn); match(c) {
			s.remove(e)
			s.port.count.streams.evicted.Inc()
			_ = c.TCPConn.Close() // wakes its goroutine, which gives back its place
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
	s.add(c.network, crowd{silent: -1})
	return true
}

// close closes the listeners and every connection that is still silent.
func (s *streams) close() {
	_ = s.listener.Close()
	for _, d := range s.shut() { // not while mu is held: the connections in it give back their places
		_ = d.Close()
	}
}

// shut closes the silent connections, lets no others in, and returns the doors.
func (s *streams) shut() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for e := s.silent.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*silentConn).TCPConn.Close()
	}
	return slices.Collect(maps.Values(s.doors))
}
