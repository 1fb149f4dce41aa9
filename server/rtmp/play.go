package rtmp

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/tag"
)

// errGone ends the feed of a player that has closed its connection.
var errGone = errors.New("the player has gone")

// play sends a stream until it ends or the client goes.
func (s *session) play(ctx context.Context, c command) {
	stream, grant, err := s.authorize(ctx, auth.Watch, c.text(0))
	if err != nil {
		s.refuse(c, auth.Watch, stream, err)
		return
	}
	open := func(ctx context.Context) (*feed.Feed, error) {
		ctx, cancel := context.WithTimeout(ctx, findTime)
		defer cancel()
		sub, err := s.server.cfg.Hub.Watch(ctx, grant)
		if err != nil {
			return nil, err
		}
		return feed.Open(ctx, sub, feed.Config{Accept: s.plays})
	}
	if end := grant.Expires(); !end.IsZero() {
		limited, cancel := context.WithDeadlineCause(ctx, end, errExpired)
		defer cancel()
		ctx = limited
	}
	f, err := open(ctx)
	if err != nil {
		s.refuse(c, auth.Watch, stream, playRefusal(err))
		return
	}
	s.server.count.players.Add(1)
	defer s.server.count.players.Add(-1)
	if err := s.startPlaying(c, stream, f); err != nil {
		f.Close(errGone)
		return
	}
	s.send(ctx, c, &playout{open: open, feed: f, out: newOutlet(s.conn, c.stream)})
}

// playRefusal says what a player is told of a feed that cannot be opened.
func playRefusal(err error) error {
	var unsupported *feed.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		return &refusal{code: "NetStream.Play.Failed", cause: err,
			reason: "Your player cannot play this: " + unsupported.Error() + ". Try another protocol, or a player with Enhanced RTMP."}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, hub.ErrEnded):
		return hub.ErrNotLive
	}
	return err
}

// plays tells whether the client can play a codec.
func (s *session) plays(c media.Codec, _ media.Traits) bool { return carries(s.carries, c) }

// carries tells whether a peer that knows some FourCCs can take a codec.
func carries(known map[string]bool, c media.Codec) bool {
	switch c.Name {
	case media.H264, media.AAC, media.PCMA, media.PCMU:
		return true
	}
	code := tag.FourCC(c.Name)
	return code != "" && (known[code] || known["*"])
}

// startPlaying tells the client that the stream begins, section 7.2.2.1.
func (s *session) startPlaying(c command, stream string, f *feed.Feed) error {
	if err := s.conn.control(streamBegin, c.stream); err != nil {
		return err
	}
	description := "Playing " + stream + "."
	for _, left := range f.Left() {
		description += " " + left.Name + " is left out: your player cannot play it."
	}
	if err := s.conn.status(c.stream, "status", "NetStream.Play.Reset", "Playing "+stream+"."); err != nil {
		return err
	}
	return s.conn.status(c.stream, "status", "NetStream.Play.Start", description)
}

// send writes while another goroutine listens to the client, until either
// ends.
func (s *session) send(ctx context.Context, c command, p *playout) {
	ctx, cancel := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	_ = s.conn.net.SetReadDeadline(time.Time{}) // before the end sets one
	listening.Go(func() {
		defer func() {
			if r := recover(); r != nil {
				s.server.fault(s.peer, r)
			}
			cancel(errGone)
		}()
		s.listen()
	})
	defer func() {
		cancel(nil)
		_ = s.conn.net.SetReadDeadline(time.Now())
		listening.Wait()
	}()
	err := p.run(ctx)
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	switch {
	case errors.Is(err, errGone):
	case errors.Is(err, hub.ErrEnded):
		_ = s.conn.status(c.stream, "status", "NetStream.Play.UnpublishNotify", "The stream has ended.")
		_ = s.conn.control(streamEOF, c.stream)
	case errors.Is(err, errExpired):
		_ = s.conn.status(c.stream, "error", "NetStream.Play.Failed", "The key or token has expired: get a new one.")
	case errors.Is(err, hub.ErrShutdown), errors.Is(err, context.Canceled):
		_ = s.conn.status(c.stream, "error", "NetStream.Play.Failed", "The server is shutting down: try again in a minute.")
	default:
		s.server.log.Info("player ended", "proto", proto, "peer", s.peer, "reason", err)
		_ = s.conn.status(c.stream, "status", "NetStream.Play.UnpublishNotify", "The stream has ended.")
	}
}

// listen reads what a player says until it goes. It says little: pauses, of
// which a live stream takes no notice, and that it has enough.
func (s *session) listen() {
	for {
		m, err := s.conn.read()
		if err != nil {
			return
		}
		if c, ok, err := commandOf(m); err != nil || ok && ends(c.name) {
			return
		}
	}
}

// playout sends a stream's feeds, one after the other as its tracks change.
type playout struct {
	open func(context.Context) (*feed.Feed, error)
	feed *feed.Feed
	out  *outlet
}

// run sends until ctx ends, the stream does, or the connection fails.
func (p *playout) run(ctx context.Context) error {
	for {
		err := p.out.copy(ctx, p.feed)
		p.feed.Close(errGone)
		if !errors.Is(err, feed.ErrChanged) {
			return err
		}
		if p.feed, err = p.open(ctx); err != nil {
			return err
		}
	}
}
