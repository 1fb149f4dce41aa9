package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// What Send returns when the message will not arrive.
var (
	ErrClosed = errors.New("the connection is closed")
	ErrSlow   = errors.New("the client does not read what it is sent")
)

const queueLen = 256 // messages

// Peer is one open WebSocket, as its channels see it. Its methods may be
// called from anywhere.
type Peer struct {
	// set at construction
	conn    *websocket.Conn
	addr    netip.AddrPort
	host    string
	account string
	times   times
	out     chan []byte
	done    chan struct{} // closed at the first reason to end
	ended   chan struct{} // closed when nothing is read any more

	// set by hello, before any channel sees the peer
	token string

	// guarded by mu
	mu     sync.Mutex
	code   int // why it ends, RFC 6455 section 7.4; 0 while it does not
	reason string
}

// Send puts a message, which is marshalled as JSON, in the queue to the
// client. It never blocks: when the queue is full the connection is closed. It
// returns ErrClosed, ErrSlow or what marshalling fails with.
func (p *Peer) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing a message: %w", err)
	}
	select {
	case <-p.done:
		return ErrClosed
	default:
	}
	select {
	case p.out <- b:
		return nil
	default:
		p.close(websocket.ClosePolicyViolation, reasonSlow)
		return ErrSlow
	}
}

// Account returns the name of the signed-in user, "" for a visitor.
func (p *Peer) Account() string { return p.account }

// Addr returns the address of the client.
func (p *Peer) Addr() netip.AddrPort { return p.addr }

// Host returns the name or address by which the client reached this server,
// with the port if it named one, as a URL has them.
func (p *Peer) Host() string { return p.host }

// Token returns the token of the client's hello, "" for none. It was valid then.
func (p *Peer) Token() string { return p.token }

// Reasons that are counted.
const (
	reasonSlow  = "too slow in reading"
	reasonFlood = "too many messages"
)

// close begins the end of the connection; only the first call counts.
func (p *Peer) close(code int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.code != 0 {
		return
	}
	p.code, p.reason = code, reason
	close(p.done)
	if reason == reasonSlow {
		// The writer is stuck in a write: it gets only the time of a goodbye.
		_ = p.conn.NetConn().SetWriteDeadline(time.Now().Add(p.times.goodbye))
	}
}

func (p *Peer) closing() (code int, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.code, p.reason
}

// write is the one writer of the connection. It returns when the connection
// has ended, and closes it; ended is called as soon as it is known to end.
func (p *Peer) write(ended func()) {
	defer p.conn.Close()
	defer ended()
	ping := time.NewTicker(p.times.ping)
	defer ping.Stop()
	for {
		select {
		case <-p.done:
			ended()
			p.sayGoodbye()
			return
		case b := <-p.out:
			if p.writeMessage(b) != nil {
				p.close(websocket.CloseAbnormalClosure, "cannot write")
				return
			}
		case <-ping.C:
			deadline := time.Now().Add(p.times.write)
			if p.conn.WriteControl(websocket.PingMessage, nil, deadline) != nil {
				p.close(websocket.CloseAbnormalClosure, "cannot write")
				return
			}
		}
	}
}

func (p *Peer) writeMessage(b []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.times.write)); err != nil {
		return err
	}
	return p.conn.WriteMessage(websocket.TextMessage, b)
}

// sayGoodbye writes what is queued and the reason, and gives the client a
// moment to answer: closing at once would reset the connection, and the
// client would never read why.
func (p *Peer) sayGoodbye() {
	code, reason := p.closing()
	if code == websocket.CloseAbnormalClosure {
		return
	}
	for reason != reasonSlow && len(p.out) > 0 {
		if p.writeMessage(<-p.out) != nil {
			return
		}
	}
	deadline := time.Now().Add(p.times.goodbye)
	if err := p.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), deadline); err != nil &&
		!errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	select {
	case <-p.ended:
	case <-time.After(p.times.goodbye):
	}
}
