package rtsp

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// tracksTime is how long a description waits for the first track of a stream
// whose publisher has just come.
const tracksTime = 3 * time.Second

// changeTime is how long tracks may be others before players are sent away: a
// publisher that comes back has one track after the other.
const changeTime = time.Second

// errChanged says that the stream has other tracks than were described.
var errChanged = errors.New("the stream has other tracks or codecs now")

// player is one who plays: from its description until its session ends.
type player struct {
	// set at construction
	server *Server
	client *client
	grant  auth.Grant
	sub    *hub.Subscription
	stage  *stage

	once sync.Once // of end
	said sync.Once // of drop

	// owned by the goroutine of the session
	expiry *time.Timer

	// atomic
	session  atomic.Pointer[gortsplib.ServerSession] // nil while only described
	doubtful atomic.Bool                             // the tracks are looked at again soon
}

// describe tells a player what a stream has.
func (s *Server) describe(c *client, x *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	p, err := s.watch(c, asked{auth.Watch, streamOf(x.Path), x.Query, x.Request})
	if err != nil {
		res, err := s.refuse(c, streamOf(x.Path), err)
		return res, nil, err
	}
	return ok(), p.stage.out, nil
}

// setup makes a session of who was described the stream, or who knows it.
func (s *Server) setup(c *client, x *gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if p, is := x.Session.UserData().(*player); is {
		return ok(), p.stage.out, nil
	}
	stream := streamOf(x.Path)
	p := c.watching
	if p == nil || p.grant.Stream() != stream || p.sub.Reason() != nil || p.stage.stale() {
		var err error
		if p, err = s.watch(c, asked{auth.Watch, stream, x.Query, x.Request}); err != nil {
			res, err := s.refuse(c, stream, err)
			return res, nil, err
		}
	}
	c.watching = nil
	x.Session.SetUserData(p)
	p.session.Store(x.Session)
	if p.sub.Reason() != nil { // it ended before the session could be told
		x.Session.Close()
	}
	return ok(), p.stage.out, nil
}

// play begins to send.
func (s *Server) play(c *client, x *gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) {
	p, is := x.Session.UserData().(*player)
	if !is {
		return &base.Response{StatusCode: base.StatusMethodNotValidInThisState}, nil
	}
	if end := p.grant.Expires(); !end.IsZero() && p.expiry == nil {
		p.expiry = time.AfterFunc(time.Until(end), func() { p.drop(ErrExpired) })
	}
	for _, t := range p.stage.choice.Tracks {
		if t.Kind() == media.Video {
			t.RequestKeyframe(0)
		}
	}
	c.guard.settle(false)
	return ok(), nil
}

// watch makes a player, which belongs to the connection until it is set up.
func (s *Server) watch(c *client, a asked) (*player, error) {
	ctx, cancel := s.within()
	defer cancel()
	if c.watching != nil {
		c.watching.end(nil)
		c.watching = nil
	}
	g, err := s.authorize(ctx, c, a)
	if err != nil {
		return nil, err
	}
	if err := s.seats.take(c.addr, true); err != nil {
		return nil, err
	}
	p, err := s.enter(ctx, &player{server: s, client: c, grant: g})
	if err != nil {
		s.seats.leave(c.addr, true)
		return nil, err
	}
	c.watching = p
	return p, nil
}

// enter subscribes a player and finds its stage.
func (s *Server) enter(ctx context.Context, p *player) (*player, error) {
	sub, err := s.cfg.Hub.Watch(ctx, p.grant)
	if err != nil {
		return nil, err
	}
	if err := awaitTracks(ctx, sub); err != nil {
		sub.Close(err)
		return nil, err
	}
	st, err := s.stage(ctx, sub.Stream())
	if err != nil {
		sub.Close(err)
		return nil, err
	}
	p.sub, p.stage = sub, st
	sub.Bind(p.changed, p.drop)
	return p, nil
}

// awaitTracks waits until the stream has a track, since a publisher has none at
// first.
func awaitTracks(ctx context.Context, sub *hub.Subscription) error {
	changed := make(chan struct{}, 1)
	sub.Bind(func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}, func(error) {})
	timeout := time.NewTimer(tracksTime)
	defer timeout.Stop()
	for {
		if len(sub.Stream().ChooseAll(playable).Tracks) > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-sub.Done():
			return sub.Reason()
		case <-timeout.C:
			return nil // the description says what is missing
		case <-ctx.Done():
			return hub.ErrShutdown
		}
	}
}

// changed ends the session when its description is not true any more; players
// ask for the new one when they come again.
func (p *player) changed() {
	if !p.stage.stale() || !p.doubtful.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(changeTime, func() {
		p.doubtful.Store(false)
		if p.stage.stale() {
			p.drop(errChanged)
		}
	})
}

// drop ends the session.
func (p *player) drop(reason error) {
	session := p.session.Load()
	if session == nil {
		return
	}
	p.said.Do(func() {
		p.server.cfg.Log.Info("rtsp player ended", "stream", p.grant.Stream(), "peer", p.client.peer, "reason", reason)
	})
	session.Close()
}

// end gives back what the player holds.
func (p *player) end(error) {
	p.once.Do(func() {
		if p.expiry != nil {
			p.expiry.Stop()
		}
		p.said.Do(func() {}) // that the player went is no news
		p.client.guard.court()
		p.sub.Close(ErrLost)
		p.server.stages.leave(p.stage)
		p.server.seats.leave(p.client.addr, true)
	})
}
