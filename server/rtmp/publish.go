package rtmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
	"github.com/heliograph/heliograph/server/rtmp/tag"
)

// publisher is the source of a publication.
type publisher struct {
	// set at construction
	session *session
	stream  string

	// guarded by mu
	mu     sync.Mutex
	reason error // why it is to end
}

var _ hub.Source = (*publisher)(nil)

// RequestKeyframe does nothing: RTMP has no way to ask for one.
func (p *publisher) RequestKeyframe(*hub.Track, int) {}

// Close wakes the reader, which tells the client and ends.
func (p *publisher) Close(reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason == nil {
		p.reason = reason
	}
	_ = p.session.conn.net.SetReadDeadline(time.Now())
}

// ended returns why the source was closed, nil while it runs.
func (p *publisher) ended() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reason
}

// expect gives the client time for its next message, unless the end was asked
// for.
func (p *publisher) expect() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reason != nil {
		return p.reason
	}
	return p.session.conn.net.SetReadDeadline(time.Now().Add(idleTime))
}

// publish takes a stream until the client ends it.
func (s *session) publish(ctx context.Context, c command) {
	stream, grant, err := s.authorize(ctx, auth.Publish, c.text(0))
	if err != nil {
		s.refuse(c, auth.Publish, stream, err)
		return
	}
	source := &publisher{session: s, stream: stream}
	pub, err := s.server.cfg.Hub.Publish(grant, source, hub.Options{Proto: proto, Peer: s.peer})
	if err != nil {
		s.refuse(c, auth.Publish, stream, err)
		return
	}
	s.server.count.publishers.Add(1)
	defer s.server.count.publishers.Add(-1)
	reason := errLost
	defer func() { pub.Close(reason) }() // also when a peer's bytes cause a panic
	stop := context.AfterFunc(ctx, func() { pub.Close(hub.ErrShutdown) })
	defer stop()
	if end := grant.Expires(); !end.IsZero() {
		timer := time.AfterFunc(time.Until(end), func() { pub.Close(errExpired) })
		defer timer.Stop()
	}
	if err := s.conn.control(streamBegin, c.stream); err != nil {
		return
	}
	if err := s.conn.status(c.stream, "status", "NetStream.Publish.Start", "Publishing "+stream+"."); err != nil {
		return
	}
	s.conn.in.AllowMedia()
	reason = s.take(source, newIntake(s, pub))
	s.goodbye(c, stream, reason)
}

// take reads a publisher's messages until one ends the stream, and returns why.
func (s *session) take(p *publisher, in *intake) error {
	for {
		if err := p.expect(); err != nil {
			return err
		}
		m, err := s.conn.read()
		if reason := p.ended(); reason != nil {
			return reason
		}
		if err != nil {
			return lost(err)
		}
		if err := in.message(m, time.Now()); err != nil {
			return err
		}
	}
}

// lost says why a connection ended, if it did not end well.
func lost(err error) error {
	if errors.Is(err, chunk.ErrTooLarge) || errors.Is(err, chunk.ErrMalformed) || errors.Is(err, tag.ErrMalformed) {
		return err
	}
	if errors.Is(err, io.EOF) {
		return errLost
	}
	return fmt.Errorf("%w: %w", errLost, err)
}

// goodbye tells a publisher why its stream has ended and logs what is not
// ordinary.
func (s *session) goodbye(c command, stream string, reason error) {
	var r *refusal
	switch {
	case errors.As(reason, &r):
		s.refuse(c, auth.Publish, stream, reason)
	case errors.Is(reason, hub.ErrEnded):
		_ = s.conn.status(c.stream, "status", "NetStream.Unpublish.Success", stream+" has ended.")
	case errors.Is(reason, errLost):
		s.server.log.Info("publisher lost", "proto", proto, "peer", s.peer, "stream", stream, "reason", reason)
	case errors.Is(reason, hub.ErrReplaced):
		_ = s.conn.status(c.stream, "error", "NetStream.Publish.BadName", "The same publisher has connected again, so this connection ends.")
	case errors.Is(reason, errExpired):
		_ = s.conn.status(c.stream, "error", "NetStream.Publish.Denied", "The key or token has expired: get a new one.")
	case errors.Is(reason, hub.ErrShutdown):
		_ = s.conn.status(c.stream, "error", "NetStream.Publish.Denied", "The server is shutting down: try again in a minute.")
	default:
		s.refuse(c, auth.Publish, stream, &refusal{
			code: "NetStream.Publish.Denied", reason: "This connection sent what cannot be read, so it ends.", cause: reason,
		})
	}
}
