package limit

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// How long Accept waits after it failed: twice as long each time. It fails
// nearly always for want of file descriptors, of which one comes free when
// another connection ends; without a pause it would spin.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// quiet is how long nothing may have been refused before the next refusal is
// logged again: once a burst.
const quiet = time.Minute

// Config says how many connections a Listener lets be open at once.
type Config struct {
	Total   int // in all; 0 for no limit
	PerAddr int // of one network, see Network; 0 for no limit. Loopback has none
	Log     *slog.Logger
}

// Listener is a net.Listener that closes at once what is over its limits, and
// whose Accept goes on when the system has no more file descriptors: the only
// error it returns is that of a closed listener.
type Listener struct {
	// set at construction
	under  net.Listener
	cfg    Config
	closed chan struct{}
	once   sync.Once
	// guarded by mu
	mu      sync.Mutex
	open    int
	perAddr map[netip.Addr]int
	said    time.Time // when something was refused last
	// atomic
	refused atomic.Uint64
}

// Listen puts limits on the connections of ln. It takes ln over: closing the
// Listener closes it.
func Listen(ln net.Listener, cfg Config) *Listener {
	return &Listener{under: ln, cfg: cfg, closed: make(chan struct{}), perAddr: map[netip.Addr]int{}}
}

// Accept waits for a connection that is within the limits.
func (l *Listener) Accept() (net.Conn, error) {
	pause := time.Duration(0)
	for {
		c, err := l.under.Accept()
		if err == nil {
			pause = 0
			if counted := l.admit(c); counted != nil {
				return counted, nil
			}
			_ = c.Close()
			continue
		}
		if errors.Is(err, net.ErrClosed) {
			return nil, err
		}
		if pause == 0 {
			l.cfg.Log.Warn("cannot accept connections; if it says too many open files, raise the limit (ulimit -n)",
				"addr", l.under.Addr().String(), "err", err)
		}
		pause = min(max(2*pause, minPause), maxPause)
		if !l.wait(pause) {
			return nil, net.ErrClosed
		}
	}
}

// wait says whether the listener was open all the time.
func (l *Listener) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.closed:
		return false
	}
}

// Close stops listening; connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.under.Close()
}

// Addr is where the listener listens.
func (l *Listener) Addr() net.Addr { return l.under.Addr() }

// Open returns how many connections are open.
func (l *Listener) Open() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// Refused returns how many connections were over a limit so far.
func (l *Listener) Refused() uint64 { return l.refused.Load() }

// admit counts a connection, or returns nil when it is one too many.
func (l *Listener) admit(c net.Conn) net.Conn {
	network := networkOf(c.RemoteAddr())
	local := !network.IsValid() || network.IsLoopback()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cfg.Total > 0 && l.open >= l.cfg.Total {
		l.refuse(network, "too many connections in all")
		return nil
	}
	if l.cfg.PerAddr > 0 && !local && l.perAddr[network] >= l.cfg.PerAddr {
		l.refuse(network, "too many connections from one network")
		return nil
	}
	l.open++
	l.perAddr[network]++
	counted := countedConn{Conn: c, release: sync.OnceFunc(func() { l.release(network) })}
	if secure, ok := c.(encrypted); ok {
		return &secureConn{counted, secure}
	}
	return &counted
}

// refuse counts a refusal and logs the first of a burst; mu is held.
func (l *Listener) refuse(network netip.Addr, why string) {
	l.refused.Add(1)
	now := time.Now()
	if now.Sub(l.said) > quiet {
		l.cfg.Log.Warn("connection refused: "+why, "addr", l.under.Addr().String(),
			"from", network.String(), "open", l.open, "total", l.cfg.Total, "perAddr", l.cfg.PerAddr)
	}
	l.said = now
}

func (l *Listener) release(network netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
	if l.perAddr[network]--; l.perAddr[network] == 0 {
		delete(l.perAddr, network)
	}
}

// networkOf is the invalid Addr for an address that has no IP.
func networkOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return Network(ap.Addr())
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	release func()
}

// encrypted is a connection that was decrypted before it came here.
type encrypted interface{ ConnectionState() tls.ConnectionState }

// secureConn is a countedConn whose server can see that it was.
type secureConn struct {
	countedConn
	encrypted
}

// Close closes the connection; it may be called twice and from anywhere.
func (c *countedConn) Close() error {
	c.release()
	return c.Conn.Close()
}
