package port

import (
	"net"
	"sync"
)

// backlog is how many sorted connections wait to be accepted. The servers that
// accept them are always ready to; a full backlog means that one is stuck.
const backlog = 1024

// listener hands sorted connections to the server that speaks their protocol.
type listener struct {
	// set at construction
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	// atomic
	once sync.Once
}

func newListener(addr net.Addr) *listener {
	return &listener{addr: addr, conns: make(chan net.Conn, backlog), done: make(chan struct{})}
}

// offer gives a connection to whoever accepts. It says whether there was room
// and the listener is open.
func (l *listener) offer(c net.Conn) bool {
	select {
	case <-l.done:
		return false
	case l.conns <- c:
	default:
		return false
	}
	select {
	case <-l.done: // closed meanwhile: nobody comes for it
		l.drain()
	default:
	}
	return true
}

// Accept waits for the next connection. It returns net.ErrClosed after Close.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and closes the connections nobody accepted. The port stays
// open for what else it carries.
func (l *listener) Close() error {
	l.once.Do(func() {
		close(l.done)
		l.drain()
	})
	return nil
}

// drain closes the connections that wait.
func (l *listener) drain() {
	for {
		select {
		case c := <-l.conns:
			_ = c.Close()
		default:
			return
		}
	}
}

// Addr is the address of the port.
func (l *listener) Addr() net.Addr { return l.addr }
