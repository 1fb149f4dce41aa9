package rtsp

import (
	"errors"
	"fmt"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// publisher is a session that publishes: an encoder, or a camera that pushes.
type publisher struct {
	// set at construction
	server  *Server
	session *gortsplib.ServerSession
	client  *client // that announced it
	grant   auth.Grant
	offers  []Offer

	// owned by the goroutine of the session
	intake *intake // nil before RECORD
	expiry *time.Timer
}

// RequestKeyframe does nothing: RTSP has no way to ask an encoder for one.
func (p *publisher) RequestKeyframe(*hub.Track, int) {}

// Close ends the session.
func (p *publisher) Close(error) { p.session.Close() }

// announce takes the description of what a client wants to publish.
func (s *Server) announce(c *client, x *gortsplib.ServerHandlerOnAnnounceCtx) (*base.Response, error) {
	stream := streamOf(x.Path)
	ctx, cancel := s.within()
	defer cancel()
	g, err := s.authorize(ctx, c, asked{auth.Publish, stream, x.Query, x.Request})
	if err != nil {
		return s.refuse(c, stream, err)
	}
	offers := offersOf(x.Description)
	list, left := carried(offers)
	if len(list) == 0 {
		return s.refuse(c, stream, &mediaError{left})
	}
	if len(left) > 0 {
		s.cfg.Log.Warn("rtsp: tracks that cannot be carried are left out", "stream", stream, "peer", c.peer, "codecs", left)
	}
	if was, is := x.Session.UserData().(*player); is { // a SETUP for a track that there is not came before
		was.end(nil)
	}
	x.Session.SetUserData(&publisher{server: s, session: x.Session, client: c, grant: g, offers: offers})
	return ok(), nil
}

// record begins to take the media.
func (s *Server) record(c *client, x *gortsplib.ServerHandlerOnRecordCtx) (*base.Response, error) {
	p, is := x.Session.UserData().(*publisher)
	if !is {
		return &base.Response{StatusCode: base.StatusMethodNotValidInThisState}, nil
	}
	stream := p.grant.Stream()
	if err := s.seats.take(p.client.addr, false); err != nil {
		return s.refuse(c, stream, err)
	}
	p.intake = newIntake(s.cfg.Log.With("stream", stream, "peer", c.peer), s.faults, p.offers, func() (*hub.Publication, error) {
		return s.cfg.Hub.Publish(p.grant, p, hub.Options{Proto: proto, Peer: c.peer})
	})
	if err := p.intake.open(); err != nil {
		p.intake = nil
		s.seats.leave(p.client.addr, false)
		return s.refuse(c, stream, err)
	}
	for _, r := range p.intake.tracks {
		x.Session.OnPacketRTP(r.offer.media, r.offer.format, r.rtp)
		x.Session.OnPacketRTCP(r.offer.media, r.rtcp)
	}
	if end := p.grant.Expires(); !end.IsZero() {
		p.expiry = time.AfterFunc(time.Until(end), func() {
			p.intake.close(ErrExpired)
			p.session.Close()
		})
	}
	c.guard.settle(x.Session.Transport().Protocol == gortsplib.ProtocolTCP)
	return ok(), nil
}

// end is called when the session has ended.
func (p *publisher) end(err error) {
	if p.intake == nil {
		return
	}
	p.server.seats.leave(p.client.addr, false)
	p.client.guard.court()
	if p.expiry != nil {
		p.expiry.Stop()
	}
	reason := fmt.Errorf("%w: %w", ErrLost, err)
	if errors.As(err, new(liberrors.ErrServerSessionTornDown)) {
		reason = hub.ErrEnded
	}
	p.intake.close(reason)
}
