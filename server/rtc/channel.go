package rtc

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtc/ingest"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

const (
	maxIDs      = 8 // sessions of one connection
	maxID       = 32
	posterEvery = 5 * time.Second
)

// Peer is the connection that a channel speaks over.
type Peer interface {
	// Send queues one message. It must not block.
	Send(message any) error
	Account() string      // of the signed-in user, or ""
	Token() string        // given with hello, or ""
	Addr() netip.AddrPort // of the client
	Host() string         // by which the client reached the server, with a port if it named one
}

// Channel is the door for messages with "ch":"rtc" on one WebSocket.
type Channel struct {
	// set at construction
	s     *Server
	peer  Peer
	lease *lease // of ICE credentials

	// guarded by mu
	mu       sync.Mutex
	sessions map[string]*session // nil while one is being opened
	follows  map[string]struct{}
	posters  map[string]time.Time // when a publication last sent one
	closed   bool
}

// Channel opens a channel for a connection that has been welcomed, and sends
// its ICE servers. Close must be called.
func (s *Server) Channel(p Peer) *Channel {
	c := &Channel{
		s: s, peer: p, lease: newLease(s.cfg.ICE),
		sessions: map[string]*session{}, follows: map[string]struct{}{}, posters: map[string]time.Time{},
	}
	c.send(iceMessage{Ch: "rtc", Type: "ice", ICEServers: c.iceServers()})
	return c
}

func (c *Channel) iceServers() []ICEServer {
	if servers := c.lease.servers(c.peer.Host()); servers != nil {
		return servers
	}
	return []ICEServer{}
}

// send queues a message; a connection that takes none is closed by its owner.
func (c *Channel) send(m any) { _ = c.peer.Send(m) }

// Handle takes one message. Whatever is wrong with it is answered by an error
// message and the connection goes on.
func (c *Channel) Handle(ctx context.Context, raw json.RawMessage) error {
	var m clientMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		c.send(newError("", offer.Malformed("A field of the message has the wrong type; see the protocol for what each one holds.")))
		return nil
	}
	if err := c.dispatch(ctx, m); err != nil {
		c.logRefusal(m, err)
		c.send(newError(offer.Clip(m.ID), err))
	}
	return nil
}

func (c *Channel) logRefusal(m clientMessage, err error) {
	log := c.s.log.Info
	if explain(err).code == "internal" {
		log = c.s.log.Error
	}
	log("request refused", "proto", "ws", "type", offer.Clip(m.Type), "stream", offer.Clip(m.Stream), "peer", c.peer.Addr(), "reason", err)
}

func (c *Channel) dispatch(ctx context.Context, m clientMessage) error {
	switch m.Type {
	case "publish":
		return c.open(ctx, m, auth.Publish)
	case "watch":
		return c.open(ctx, m, auth.Watch)
	case "follow":
		return c.follow(ctx, m)
	case "unfollow":
		return c.unfollow(m)
	case "candidate":
		_, err := c.get(m.ID)
		return err
	case "restart":
		return c.restart(ctx, m)
	case "title":
		return c.title(m)
	case "poster":
		return c.poster(m)
	case "stop":
		return c.stop(m)
	}
	return offer.Malformed("There is no message of type %q.", offer.Clip(m.Type))
}

// check finds out who asks for a stream.
func (c *Channel) check(ctx context.Context, m clientMessage, a auth.Action) (auth.Grant, error) {
	token := m.Token
	if token == "" {
		token = c.peer.Token()
	}
	return c.s.cfg.Checker.Check(ctx, auth.Request{
		Action: a, Stream: m.Stream, Token: token, Account: c.peer.Account(), Proto: "ws", Addr: c.peer.Addr().Addr(),
	})
}

// open publishes or watches.
func (c *Channel) open(ctx context.Context, m clientMessage, a auth.Action) error {
	grant, err := c.check(ctx, m, a)
	if err != nil {
		return err
	}
	title, err := cleanTitle(m.Title)
	if err != nil {
		return err
	}
	if a == auth.Watch {
		if err := c.addFollow(m.Stream); err != nil {
			return err
		}
	}
	if err := c.claim(m.ID); err != nil {
		return err
	}
	p, err := c.s.open(ctx, request{
		grant: grant, proto: "ws", addr: c.peer.Addr(), offer: m.SDP, title: title, resume: m.Resume, channel: c, name: m.ID,
	})
	if err != nil {
		c.free(m.ID)
		return err
	}
	c.send(answerMessage{
		Ch: "rtc", Type: "answer", ID: m.ID, SDP: p.answer, Session: p.session.id, Resume: p.resume, ICEServers: c.iceServers(),
	})
	return nil
}

// claim takes an id for a session to be opened.
func (c *Channel) claim(id string) error {
	if id == "" || len(id) > maxID {
		return offer.Malformed("The id of a session has 1 to %d characters.", maxID)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, used := c.sessions[id]
	switch {
	case c.closed:
		return hub.ErrShutdown
	case used:
		return errUsed
	case len(c.sessions) >= maxIDs:
		return ErrTooMany
	}
	c.sessions[id] = nil
	return nil
}

func (c *Channel) free(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, id)
	delete(c.posters, id)
}

func (c *Channel) opened(id string, e *session) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.sessions[id] = e
	}
	c.mu.Unlock()
	if closed {
		e.wait(c)
	}
}

// ended tells the client of a session that it did not end itself. One that it
// did may still be ending while another goes by the same id.
func (c *Channel) ended(id string, e *session, reason error) {
	c.mu.Lock()
	running := c.sessions[id] == e
	if running {
		delete(c.sessions, id)
		delete(c.posters, id)
	}
	c.mu.Unlock()
	if running {
		c.send(newStopped(id, reason))
	}
}

func (c *Channel) get(id string) (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.sessions[id]; e != nil {
		return e, nil
	}
	return nil, ErrNoSession
}

func (c *Channel) publisher(id string) (*ingest.Publisher, error) {
	e, err := c.get(id)
	if err != nil {
		return nil, err
	}
	if p, ok := e.media.(*ingest.Publisher); ok {
		return p, nil
	}
	return nil, offer.Malformed("This session is not a publication.")
}

func (c *Channel) follow(ctx context.Context, m clientMessage) error {
	if _, err := c.check(ctx, m, auth.Watch); err != nil {
		return err
	}
	return c.addFollow(m.Stream)
}

func (c *Channel) addFollow(stream string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.follows[stream]; !ok && len(c.follows) >= maxFollows {
		return offer.Malformed("At most %d streams can be followed. Unfollow one first.", maxFollows)
	}
	if c.closed {
		return hub.ErrShutdown
	}
	c.follows[stream] = struct{}{}
	c.s.follows.add(c, stream)
	return nil
}

func (c *Channel) unfollow(m clientMessage) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.follows, m.Stream)
	c.s.follows.remove(c, m.Stream)
	return nil
}

func (c *Channel) title(m clientMessage) error {
	p, err := c.publisher(m.ID)
	if err != nil {
		return err
	}
	title, err := cleanTitle(m.Title)
	if err != nil {
		return err
	}
	return p.Publication().SetTitle(title)
}

// cleanTitle refuses what does not belong into one line of text.
func cleanTitle(title string) (string, error) {
	if utf8.RuneCountInString(title) > hub.MaxTitle {
		return "", offer.Malformed("A title has at most %d characters.", hub.MaxTitle)
	}
	for _, r := range title {
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200d' { // the joiner of emoji
			return "", offer.Malformed("A title is one line of text without control characters.")
		}
	}
	return title, nil
}

func (c *Channel) poster(m clientMessage) error {
	p, err := c.publisher(m.ID)
	if err != nil {
		return err
	}
	now := time.Now()
	if !c.posterDue(m.ID, now) {
		return errPosters
	}
	if err := p.Publication().SetPoster(m.JPEG); err != nil {
		if errors.Is(err, hub.ErrPoster) {
			return offer.Malformed("A poster is a JPEG of at most 40 KiB and 1280 pixels a side.")
		}
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posters[m.ID] = now
	return nil
}

func (c *Channel) posterDue(id string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.posters[id]) >= posterEvery
}

// stop ends a session as its client wants it; no stopped message follows.
func (c *Channel) stop(m clientMessage) error {
	e, err := c.get(m.ID)
	if err != nil {
		return err
	}
	c.free(m.ID)
	e.media.Close(hub.ErrStopped)
	return nil
}

// Close is called when the connection has ended. Its sessions end: publications
// are lost, so that their viewers wait for them. But if the connection broke off
// they go on for a while, for the client may come back for them. It may be called
// twice.
func (c *Channel) Close(broken bool) {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	sessions, follows := c.sessions, c.follows
	c.sessions, c.follows = map[string]*session{}, map[string]struct{}{}
	c.mu.Unlock()
	for stream := range follows {
		c.s.follows.remove(c, stream)
	}
	for _, e := range sessions {
		switch {
		case e == nil:
		case broken:
			e.wait(c)
		case e.seat.at(c): // else another connection has just taken it over
			e.media.Close(ErrLost)
		}
	}
	if first {
		c.lease.release()
	}
}
