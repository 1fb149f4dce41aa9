package web

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/time/rate"

	"github.com/heliograph/heliograph/server/auth"
)

// violation ends a connection with a code of RFC 6455 section 7.4.
type violation struct {
	code   int
	reason string
}

// Error implements error.
func (v violation) Error() string { return v.reason }

// read reads the connection until it ends, and sees to it that the client can
// read why.
func (s *Server) read(ctx context.Context, p *Peer, user any) {
	defer close(p.ended)
	err := s.converse(ctx, p, user)
	var v violation
	var timeout net.Error
	switch {
	case errors.As(err, &v):
	case errors.Is(err, websocket.ErrReadLimit):
		v = violation{websocket.CloseMessageTooBig, "the message is too large"}
	case errors.As(err, &timeout) && timeout.Timeout():
		v = violation{websocket.ClosePolicyViolation, "nothing was heard in time"}
	default: // the client ended it, or it is ending already
		p.close(websocket.CloseNormalClosure, "")
		return
	}
	p.close(v.code, v.reason)
	// Unread bytes at closing would make the kernel reset the connection.
	if p.conn.SetReadDeadline(time.Now().Add(p.times.goodbye)) == nil {
		_, _ = io.Copy(io.Discard, p.conn.NetConn())
	}
}

// converse greets the client and hands its messages to the channels. What a
// message makes go wrong ends this connection and no other.
func (s *Server) converse(ctx context.Context, p *Peer, user any) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			s.counts.panics.Inc()
			s.cfg.Log.Error("connection hit a fault", "peer", p.addr, "fault", fault, "stack", string(debug.Stack()))
			err = violation{websocket.CloseInternalServerErr, "the server made a mistake"}
		}
	}()
	limiter := rate.NewLimiter(messageRate, messageBurst)
	if err := s.hello(ctx, p); err != nil {
		return err
	}
	if err := p.listen(limiter); err != nil {
		return err
	}
	if err := p.Send(s.welcome(user)); err != nil {
		return err
	}
	channels := make(map[string]Channel, len(s.cfg.Channels))
	for _, name := range slices.Sorted(maps.Keys(s.cfg.Channels)) {
		c := s.cfg.Channels[name](p)
		defer func() { c.Close(p.broken(err)) }()
		channels[name] = c
	}
	for {
		msg, err := p.receive()
		if err != nil {
			return err
		}
		if !limiter.Allow() {
			return violation{websocket.ClosePolicyViolation, reasonFlood}
		}
		if err := s.dispatch(ctx, p, channels, msg); err != nil {
			return err
		}
	}
}

// broken tells whether a connection broke off, for all that its reader knows:
// its client may come back. One that closes with another code than those of
// RFC 6455 section 7.4.1 for a goodbye says that it will.
func (p *Peer) broken(err error) bool {
	var v violation
	if err == nil || errors.As(err, &v) || websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway) {
		return false
	}
	code, _ := p.closing()
	return code != websocket.CloseServiceRestart
}

func (s *Server) welcome(user any) welcome {
	return welcome{Type: "welcome", Version: protocolVersion, Server: "heliograph " + s.cfg.Version, Time: now(), User: user}
}

// hello waits for the client's first message and checks it.
func (s *Server) hello(ctx context.Context, p *Peer) error {
	p.conn.SetReadLimit(maxBeforeHello)
	if err := p.conn.SetReadDeadline(time.Now().Add(p.times.hello)); err != nil {
		return err
	}
	// Nothing but hello is expected: what a client pings before costs an answer each.
	p.conn.SetPingHandler(func(string) error { return violation{websocket.ClosePolicyViolation, "hello comes first"} })
	msg, err := p.receive()
	if err != nil {
		return err
	}
	e, err := parseEnvelope(msg)
	if err != nil || e.Ch != "" || e.Type != "hello" {
		return p.refuse(codeBadRequest, "Say hello first, as PROTOCOL.md describes.")
	}
	if e.Version != protocolVersion {
		return p.refuse(codeBadRequest, fmt.Sprintf("This server speaks version %d of the protocol. Reload the page, or use a client of this version.", protocolVersion))
	}
	if e.Token == "" {
		return nil
	}
	switch err := s.cfg.Auth.Bearer(ctx, e.Token, p.addr.Addr()); {
	case errors.Is(err, auth.ErrUnauthenticated):
		return p.refuse(codeNoSignIn, "The key or token is wrong, or its time is over. Ask for a new one.")
	case errors.Is(err, auth.ErrThrottled):
		return p.refuse(codeThrottled, sentence(auth.ErrThrottled))
	case err != nil:
		s.cfg.Log.Error("checking a token failed", "peer", p.addr, "err", err)
		return p.refuse(codeInternal, faultText)
	}
	p.token = e.Token
	return nil
}

// refuse tells the client why, and is the error that ends the connection.
func (p *Peer) refuse(code, message string) error {
	f := failure{Type: "error", Code: code, Message: message}
	if code == codeThrottled {
		f.RetryAfter = retryAfter
	}
	return cmp.Or(p.Send(f),
		error(violation{websocket.ClosePolicyViolation, code}))
}

// listen sets what holds after hello: larger messages, and an answer to each ping.
func (p *Peer) listen(limiter *rate.Limiter) error {
	p.conn.SetReadLimit(maxAfterHello)
	heard := func() error { return p.conn.SetReadDeadline(time.Now().Add(p.times.silence)) }
	p.conn.SetPongHandler(func(string) error {
		if !limiter.Allow() {
			return violation{websocket.ClosePolicyViolation, reasonFlood}
		}
		return heard()
	})
	p.conn.SetPingHandler(func(data string) error {
		if !limiter.Allow() {
			return violation{websocket.ClosePolicyViolation, reasonFlood}
		}
		err := p.conn.WriteControl(websocket.PongMessage, []byte(data), time.Now().Add(p.times.goodbye))
		if err != nil {
			return err
		}
		return heard()
	})
	return heard()
}

// receive returns the next text message.
func (p *Peer) receive() ([]byte, error) {
	kind, msg, err := p.conn.ReadMessage()
	if err != nil {
		return nil, err
	}
	if kind != websocket.TextMessage {
		return nil, violation{websocket.CloseUnsupportedData, "messages are JSON in text frames"}
	}
	select {
	case <-p.done:
		return nil, ErrClosed
	default:
		return msg, nil
	}
}

// dispatch hands a message to its channel, or answers it here.
func (s *Server) dispatch(ctx context.Context, p *Peer, channels map[string]Channel, msg []byte) error {
	e, err := parseEnvelope(msg)
	if err != nil {
		return p.Send(failure{Type: "error", Code: codeBadRequest, Message: sentence(errEnvelope)})
	}
	if e.Ch != "" {
		c, ok := channels[e.Ch]
		if !ok {
			return p.Send(failure{Type: "error", Code: codeBadRequest, Message: fmt.Sprintf("This server has no channel %q.", e.Ch)})
		}
		if err := c.Handle(ctx, json.RawMessage(msg)); err != nil {
			return violation{websocket.ClosePolicyViolation, trim(err.Error())}
		}
		return nil
	}
	switch e.Type {
	case "ping":
		return p.Send(pong{Type: "pong", T: e.T, Time: now()})
	case "hello":
		return p.Send(failure{Type: "error", Code: codeBadRequest, Message: "On this connection hello was said already."})
	}
	return p.Send(failure{Type: "error", Code: codeBadRequest, Message: fmt.Sprintf("This server knows no message of type %q.", trim(e.Type))})
}

// trim keeps a reason within what a close frame holds: 125 bytes with its code.
func trim(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "")
}

// now is the server's clock, in ms since 1970.
func now() float64 { return float64(time.Now().UnixMicro()) / 1000 }
