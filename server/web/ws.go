package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Channel is one kind of conversation over a WebSocket, the messages with its
// "ch". Its methods are called one after the other.
type Channel interface {
	// Handle takes one message, whole. It answers through the Peer; an error
	// ends the connection. ctx ends with the connection. The next message
	// waits until it returns.
	Handle(ctx context.Context, msg json.RawMessage) error
	// Close is called once, after the last Handle, when the connection ends.
	// broken tells that it broke off: neither side has said goodbye.
	Close(broken bool)
}

// Open begins a channel for a peer that has just been welcomed.
type Open func(p *Peer) Channel

// Limits of PROTOCOL.md.
const (
	maxBeforeHello = 4 << 10
	maxAfterHello  = 64 << 10
	messageRate    = 20 // per second
	messageBurst   = 50
)

// times are the waits of connections and calls; tests make them short.
type times struct {
	hello   time.Duration // until hello
	ping    time.Duration // between pings
	silence time.Duration // without an answer to them
	write   time.Duration // for one message
	goodbye time.Duration // for the client to close after us
	heavy   time.Duration // for a call that asks other machines
}

func defaultTimes() times {
	return times{hello: 5 * time.Second, ping: 15 * time.Second, silence: 45 * time.Second, write: 5 * time.Second, goodbye: time.Second, heavy: heavyTime}
}

// websocket upgrades and serves one connection.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	if !ownOrigin(r) {
		Problem(w, http.StatusForbidden, codeOrigin, "A page of another site opened this connection. Open this server's own page.")
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		Problem(w, http.StatusUpgradeRequired, codeBadRequest, "This address speaks WebSocket. Use a WebSocket client.")
		return
	}
	if s.peers.full(remote(r).Addr()) {
		Problem(w, http.StatusTooManyRequests, codeThrottled, "Too many connections from this address. Close some and try again.")
		return
	}
	a, err := s.account(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	upgrader := websocket.Upgrader{
		HandshakeTimeout: headerTimeout,
		CheckOrigin:      func(*http.Request) bool { return true }, // checked above
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			Problem(w, status, codeBadRequest, "The WebSocket handshake is wrong: "+reason.Error()+".")
		},
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // answered by the upgrader
	}
	p := s.newPeer(conn, r)
	var user any
	if a != nil {
		p.account, user = a.Name, a
	}
	s.serve(r.Context(), p, user)
}

func (s *Server) newPeer(conn *websocket.Conn, r *http.Request) *Peer {
	return &Peer{
		conn:  conn,
		addr:  remote(r),
		host:  authority(r),
		times: s.times,
		out:   make(chan []byte, queueLen),
		done:  make(chan struct{}),
		ended: make(chan struct{}),
	}
}

// ownOrigin tells whether a browser's page is of this server. Programs send no Origin.
func ownOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	return err == nil && len(origins) == 1 && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// serve runs one connection to its end. user is what welcome says.
func (s *Server) serve(ctx context.Context, p *Peer, user any) {
	if !s.peers.add(p) {
		p.conn.Close()
		return
	}
	defer s.peers.remove(p)
	s.counts.opened.Inc()
	ctx, cancel := context.WithCancel(ctx)
	written := make(chan struct{})
	go func() {
		defer close(written)
		p.write(cancel)
	}()
	s.read(ctx, p, user)
	<-written
	switch _, reason := p.closing(); reason {
	case reasonFlood:
		s.counts.flooding.Inc()
	case reasonSlow:
		s.counts.slow.Inc()
	}
}
