package rtc

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtc/ingest"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// answerFor bounds how long making an answer may take.
const answerFor = 5 * time.Second

// request is what a door knows about somebody who wants media, after the check.
type request struct {
	grant  auth.Grant
	proto  string
	addr   netip.AddrPort
	offer  string
	title  string // of a publication
	resume string // of a publication

	channel *Channel // that the session is to belong to; nil for none
	name    string   // of the session there
}

// reply is what the client gets.
type reply struct {
	session *session
	answer  string
	resume  string
}

// open makes the publication or viewing that the request's grant is for.
func (s *Server) open(ctx context.Context, r request) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, answerFor)
	defer cancel()
	want, make := offer.ToPublish, s.publish
	if r.grant.Action() == auth.Watch {
		want, make = offer.ToWatch, s.watch
	}
	o, err := offer.Parse(r.offer, want)
	if err != nil {
		return reply{}, err
	}
	release, err := s.sessions.reserve(r.grant.Subject(), r.addr.Addr())
	if err != nil {
		s.refused.Inc()
		return reply{}, err
	}
	p, err := make(ctx, r, o)
	if err != nil {
		release()
		return reply{}, err
	}
	s.sessions.add(p.session)
	if r.channel != nil {
		r.channel.opened(r.name, p.session)
	}
	s.attend(p.session, release)
	s.log.Info("session opened", "stream", r.grant.Stream(), "proto", r.proto, "peer", r.addr, "action", r.grant.Action())
	return p, nil
}

// attend has a session closed when its grant ends, and forgotten when it has
// ended. Nothing waits for that: a session that runs costs no goroutine.
func (s *Server) attend(e *session, release func()) {
	timer := e.expire()
	e.media.AfterEnd(func() {
		defer release()
		if timer != nil {
			timer.Stop()
		}
		s.forget(e)
	})
}

// forget takes a session that has ended from the books.
func (s *Server) forget(e *session) {
	reason := e.media.Reason()
	if errors.Is(reason, ingest.ErrHungUp) && e.proto == "whip" {
		s.sessions.linger(e)
	}
	s.sessions.remove(e)
	e.lease.release()
	s.log.Info("session ended", "stream", e.grant.Stream(), "proto", e.proto, "peer", e.addr, "action", e.grant.Action(), "reason", reason)
	if c, name := e.seat.leave(); c != nil {
		c.ended(name, e, reason)
	}
}

func (s *Server) publish(ctx context.Context, r request, o *offer.Offer) (reply, error) {
	log := s.log.With("stream", r.grant.Stream(), "proto", r.proto, "peer", r.addr)
	p, answer, err := s.ingest.Answer(ctx, o, log)
	if err != nil {
		return reply{}, err
	}
	// Last, so that an offer that cannot be answered replaces nobody.
	pub, err := s.cfg.Hub.Publish(r.grant, p, hub.Options{
		Proto: r.proto, Peer: r.addr.String(), Title: r.title, Resume: r.resume, Obliging: true,
	})
	if err != nil {
		p.Discard()
		return reply{}, err
	}
	p.Start(pub)
	return reply{session: s.newSession(r, o, p), answer: answer, resume: pub.Resume()}, nil
}

func (s *Server) watch(ctx context.Context, r request, o *offer.Offer) (reply, error) {
	sub, err := s.cfg.Hub.Watch(ctx, r.grant)
	if err != nil {
		return reply{}, err
	}
	v, answer, err := s.cfg.Egress.Watch(sub, o)
	if err != nil {
		return reply{}, err
	}
	return reply{session: s.newSession(r, o, v), answer: answer}, nil
}
