package rtsp

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Bounds on a connection that neither publishes nor plays. One that does is
// held to the times of its session instead.
const (
	idleTime   = 10 * time.Second // between two requests
	courtship  = 60 * time.Second // until it publishes or plays
	chatter    = 512 << 10        // bytes at once beside the media ...
	chatterPer = 64 << 10         // ... and per second
)

var (
	errHTTP    = errors.New("the client speaks HTTP, this port speaks RTSP")
	errGarbage = errors.New("far more was sent than requests need")
)

// httpAnswer is for a person whose browser comes to this port.
const httpAnswer = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n" +
	"This port speaks RTSP. Open the rtsp:// address in a player, and the web page on the server's web port.\r\n"

// guard is the connection of a client with bounds on what it may do before it
// has shown that it means it. RTSP in HTTP and in WebSockets, which the library
// would take, is refused: any web page could reach the port with them.
type guard struct {
	net.Conn
	secure bool

	// owned by the reader
	head   []byte // the first bytes, up to four
	budget int
	filled time.Time

	// atomic
	courting atomic.Int64 // ns, when its courtship began; 0 while it publishes or plays
	media    atomic.Bool  // the client sends media in this connection
}

func newGuard(c net.Conn) *guard {
	_, secure := c.(interface{ ConnectionState() tls.ConnectionState })
	g := &guard{Conn: c, secure: secure, budget: chatter, filled: time.Now()}
	g.court()
	return g
}

// court gives the client the time to ask for something.
func (g *guard) court() {
	g.media.Store(false)
	g.courting.Store(time.Now().UnixNano())
}

// settle notes that the client publishes or plays; media, that it sends media
// in this connection.
func (g *guard) settle(media bool) {
	g.media.Store(media)
	g.courting.Store(0)
}

// SetReadDeadline brings the deadline of the library forward.
func (g *guard) SetReadDeadline(t time.Time) error {
	if since := g.courting.Load(); since != 0 {
		bound := time.Now().Add(idleTime)
		if end := time.Unix(0, since).Add(courtship); end.Before(bound) {
			bound = end
		}
		if t.IsZero() || t.After(bound) {
			t = bound
		}
	}
	return g.Conn.SetReadDeadline(t)
}

// Read reads what is within the bounds.
func (g *guard) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if len(g.head) < 4 {
		g.head = append(g.head, b[:min(n, 4-len(g.head))]...)
		if bytes.Equal(g.head, []byte("GET ")) || bytes.Equal(g.head, []byte("POST")) {
			_, _ = g.Write([]byte(httpAnswer))
			return 0, errHTTP
		}
	}
	if !g.media.Load() && !g.spend(n) {
		return 0, errGarbage
	}
	return n, err
}

// spend takes n bytes off what may be sent beside media.
func (g *guard) spend(n int) bool {
	g.budget -= n
	if g.budget > 0 {
		return true
	}
	now := time.Now()
	g.budget = min(g.budget+int(min(now.Sub(g.filled), time.Minute)*chatterPer/time.Second), chatter)
	g.filled = now
	return g.budget > 0
}

// doors is one listener made of several.
type doors struct {
	// set at construction
	under  []net.Listener
	conns  chan net.Conn
	closed chan struct{}

	once    sync.Once
	running sync.WaitGroup
}

func newDoors(under ...net.Listener) *doors {
	return &doors{under: under, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// start begins to accept.
func (d *doors) start() {
	for _, l := range d.under {
		d.running.Go(func() { d.take(l) })
	}
}

// take passes the connections of one listener on until it is closed.
func (d *doors) take(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		select {
		case d.conns <- newGuard(c):
		case <-d.closed:
			_ = c.Close()
			return
		}
	}
}

// Accept waits for a connection of any of the listeners.
func (d *doors) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.closed:
		return nil, net.ErrClosed
	}
}

// Close closes all listeners and waits for what start began.
func (d *doors) Close() error {
	var err error
	d.once.Do(func() {
		close(d.closed)
		for _, l := range d.under {
			err = errors.Join(err, l.Close())
		}
		d.running.Wait()
	})
	return err
}

// Addr is where the first of the listeners listens.
func (d *doors) Addr() net.Addr { return d.under[0].Addr() }
