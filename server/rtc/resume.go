package rtc

import (
	"cmp"
	"context"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// restart has a session go on over another path, and if its client names the
// session by its secret, on this connection.
func (c *Channel) restart(ctx context.Context, m clientMessage) error {
	if m.Session != "" {
		if err := c.takeOver(ctx, m); err != nil {
			return err
		}
	}
	e, err := c.get(m.ID)
	if err != nil {
		return err
	}
	if !e.patches.Allow() {
		return errTooQuick
	}
	purpose := offer.ToPublish
	if e.grant.Action() == auth.Watch {
		purpose = offer.ToWatch
	}
	o, err := offer.Parse(m.SDP, purpose)
	if err != nil {
		return err
	}
	answer, err := e.media.Restart(o)
	if err != nil {
		return err
	}
	c.send(answerMessage{Ch: "rtc", Type: "answer", ID: m.ID, SDP: answer, ICEServers: c.iceServers()})
	return nil
}

// takeOver moves a session of another connection of the same client here. A
// session that belongs to somebody else is answered as if it were not there.
func (c *Channel) takeOver(ctx context.Context, m clientMessage) error {
	e := c.s.sessions.find(m.Session)
	if e == nil || e.proto != "ws" {
		return ErrNoSession
	}
	grant, err := c.check(ctx, clientMessage{Stream: e.grant.Stream(), Token: m.Token}, e.grant.Action())
	if err != nil {
		return err
	}
	if !e.belongs("ws", grant) {
		return ErrNoSession
	}
	if mine, _ := c.get(m.ID); mine == e {
		return nil
	}
	if grant.Action() == auth.Watch {
		if err := c.addFollow(grant.Stream()); err != nil {
			return err
		}
	}
	if err := c.claim(m.ID); err != nil {
		return err
	}
	older, name, ok := e.seat.take(c, m.ID)
	if !ok {
		c.free(m.ID)
		return ErrNoSession
	}
	if older != nil {
		older.ended(name, e, errMoved)
	}
	c.opened(m.ID, e)
	if !e.seat.at(c) { // ended, or taken further, before it was here, so that nobody was told
		c.ended(m.ID, e, cmp.Or(e.media.Reason(), errMoved))
	}
	return nil
}
