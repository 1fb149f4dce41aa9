package rtc

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// pair is a publisher and a viewer of one stream, each on a connection.
type pair struct {
	*house
	pub, view *client
	c         *caster
	w         *webrtc.PeerConnection
	secrets   map[string]string // of the sessions, by id
	got       chan struct{}
}

func newPair(t *testing.T) *pair {
	t.Helper()
	h := newHouse(t, true)
	p := &pair{house: h, pub: h.client(""), view: h.client(""), c: newCaster(t, webrtc.MimeTypeVP8), w: newWatcher(t)}
	p.got, p.secrets = make(chan struct{}, 1), map[string]string{}
	reportPackets(p.w, p.got)
	p.pub.say("type", "publish", "id", "p", "stream", "s", "sdp", p.c.offer)
	p.answered(p.pub, "p", p.c.pc)
	h.live("s", 2)
	p.c.cast(t)
	p.view.say("type", "watch", "id", "w", "stream", "s", "sdp", offerOf(t, p.w))
	p.answered(p.view, "w", p.w)
	flows(t, p.got)
	return p
}

// answered takes an answer and keeps the secret that the first one has.
func (p *pair) answered(k *client, id string, pc *webrtc.PeerConnection) {
	p.t.Helper()
	m := k.expect("answer")
	assert.Equal(p.t, id, m["id"])
	if secret, ok := m["session"].(string); ok {
		p.secrets[id] = secret
	}
	accept(p.t, pc, m["sdp"].(string))
}

func restartOffer(t *testing.T, pc *webrtc.PeerConnection) string {
	t.Helper()
	o, err := pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	require.NoError(t, err)
	require.NoError(t, pc.SetLocalDescription(o))
	return o.SDP
}

// Both kinds of session restart ICE on their own connection.
func TestChannelRestarts(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.view.say("type", "restart", "id", "w", "sdp", restartOffer(t, p.w))
	p.answered(p.view, "w", p.w)
	flows(t, p.got)
	p.pub.say("type", "restart", "id", "p", "sdp", restartOffer(t, p.c.pc))
	p.answered(p.pub, "p", p.c.pc)
	flows(t, p.got)

	stranger := newCaster(t, webrtc.MimeTypeVP8)
	p.pub.say("type", "restart", "id", "p", "sdp", stranger.offer)
	assert.Contains(t, p.pub.fails("bad_request")["message"], "certificate")
	p.pub.say("type", "restart", "id", "p", "sdp", "no offer")
	p.pub.fails("bad_request")
	flows(t, p.got)
}

// A connection that breaks off leaves its sessions to a new one of the same
// client; media never stop.
func TestChannelTakesSessionsOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.pub.c.Close(true)
	p.view.c.Close(true)
	flows(t, p.got)
	assert.Equal(t, hub.Live, p.hub.Info("s").State)
	p.turn.mu.Lock()
	assert.Empty(t, p.turn.revoked, "the media may be relayed")
	p.turn.mu.Unlock()

	again := p.client("")
	again.say("type", "restart", "id", "v2", "session", p.secrets["w"], "sdp", restartOffer(t, p.w))
	p.answered(again, "v2", p.w)
	again.state(hub.Live, 2)
	again.say("type", "restart", "id", "p2", "session", p.secrets["p"], "sdp", restartOffer(t, p.c.pc))
	p.answered(again, "p2", p.c.pc)
	flows(t, p.got)
	again.say("type", "title", "id", "p2", "title", "Still here")
	require.Eventually(t, func() bool { return p.hub.Info("s").Title == "Still here" }, patience, time.Millisecond)

	again.say("type", "stop", "id", "p2")
	require.Equal(t, "ended", again.expect("stopped")["code"], "the viewer's")
	again.say("type", "restart", "id", "v3", "session", p.secrets["w"], "sdp", "v=0")
	again.fails("no_session")
	again.c.Close(false)
	require.Eventually(t, func() bool {
		p.turn.mu.Lock()
		defer p.turn.mu.Unlock()
		return len(p.turn.revoked) == 3
	}, patience, time.Millisecond, "credentials end with what they were for")
}

// The server may not know yet that the older connection is dead.
func TestChannelTakesOverFromALivingOne(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for range 3 {
		again := p.client("")
		again.say("type", "restart", "id", "w", "session", p.secrets["w"], "sdp", restartOffer(t, p.w))
		p.answered(again, "w", p.w)
		m := p.view.expect("stopped")
		assert.Equal(t, "replaced", m["code"])
		assert.Equal(t, "w", m["id"])
		p.view.say("type", "restart", "id", "w", "sdp", "x")
		p.view.fails("no_session")
		p.view.c.Close(false)
		p.view = again
	}
	flows(t, p.got)
	p.view.say("type", "restart", "id", "w", "session", p.secrets["w"], "sdp", restartOffer(t, p.w))
	p.answered(p.view, "w", p.w)
	flows(t, p.got)
}

// Only the principal who opened a session takes it over, and only by its secret.
func TestChannelTakesNothingOfOthers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("s")
	owner := h.client(key)
	c := newCaster(t, webrtc.MimeTypeVP8)
	owner.say("type", "publish", "id", "p", "stream", "s", "sdp", c.offer)
	m := owner.expect("answer")
	accept(t, c.pc, m["sdp"].(string))
	secret := m["session"].(string)
	require.Len(t, secret, 26)
	whip := newCaster(t, webrtc.MimeTypeVP8)
	other := h.key("s2")
	location := h.publish(whip, "s2", other)

	for _, tt := range []struct{ token, session, code string }{
		{key, "wrong", "no_session"},
		{key, location[len("/whip/s2/"):], "no_session"},
		{h.token(auth.Publish, "s", time.Hour), secret, "no_session"},
		{h.token(auth.Watch, "s", time.Hour), secret, "denied"},
		{other, secret, "denied"},
		{"", secret, "unauthenticated"},
	} {
		k := h.client(tt.token)
		k.say("type", "restart", "id", "p", "session", tt.session, "sdp", c.offer)
		k.fails(tt.code)
	}
	e, err := owner.c.get("p")
	require.NoError(t, err)
	require.NoError(t, e.media.Reason())

	again := h.client(key)
	again.say("type", "restart", "id", "p", "session", secret, "sdp", restartOffer(t, c.pc))
	again.expect("answer")
}

// A client that says goodbye ends its sessions; its viewers wait for it.
func TestChannelGoodbye(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	pub := h.client("")
	c := newCaster(t, webrtc.MimeTypeVP8)
	pub.say("type", "publish", "id", "p", "stream", "s", "sdp", c.offer)
	accept(t, c.pc, pub.expect("answer")["sdp"].(string))
	h.live("s", 2)
	pub.c.Close(false)
	pub.c.Close(true)
	require.Eventually(t, func() bool { return h.hub.Info("s").State == hub.Away }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return h.srv.sessions.len() == 0 }, patience, time.Millisecond)
	h.turn.mu.Lock()
	defer h.turn.mu.Unlock()
	assert.NotEmpty(t, h.turn.revoked)
}

// A session that nobody comes back for is closed in the end, and one that ends
// while it waits leaves no timer.
func TestSeat(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	e, err := p.view.c.get("w")
	require.NoError(t, err)
	p.view.c.Close(true)
	e.seat.mu.Lock()
	require.NotNil(t, e.seat.waiting)
	require.Nil(t, e.seat.channel)
	e.seat.waiting.Reset(0)
	e.seat.mu.Unlock()
	<-e.media.Done()
	require.ErrorIs(t, e.media.Reason(), ErrLost)
	require.Eventually(t, func() bool { return p.srv.sessions.find(e.id) == nil }, patience, time.Millisecond)
	_, _, ok := e.seat.take(p.pub.c, "w")
	require.False(t, ok)
	e.wait(p.view.c)
	require.Nil(t, e.seat.waiting)
}

// A client may come back twice at once. One connection has the session then, and
// the goodbye of the other does not end it.
func TestChannelsTakeOneSessionOverAtOnce(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	e, err := p.view.c.get("w")
	require.NoError(t, err)
	for range 20 {
		all := []*client{p.client(""), p.client(""), p.client("")}
		var taking sync.WaitGroup
		for _, k := range all {
			taking.Go(func() {
				assert.NoError(t, k.c.takeOver(t.Context(), clientMessage{ID: "w", Session: p.secrets["w"]}))
			})
		}
		taking.Wait()
		for _, k := range all {
			_, err := k.c.get("w")
			assert.Equal(t, k.c == e.seat.channel, err == nil, "has it and is its place")
			if k.c != e.seat.channel {
				k.c.Close(false)
			}
		}
		require.NoError(t, e.media.Reason())
	}
}

// A page that was loaded again while its connection was down finds room, though
// nobody has closed what the older page had.
func TestSessionsLeftBehindMakeRoom(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	token := h.token(auth.Watch, "s", time.Hour)
	h.publish(newCaster(t, webrtc.MimeTypeVP8), "s", h.key("s"))
	h.live("s", 2)
	w := offerOf(t, newWatcher(t))
	watch := func(k *client, n int) {
		for i := range n {
			k.say("type", "watch", "id", fmt.Sprint("w", i), "stream", "s", "sdp", w)
			k.expect("answer")
		}
	}
	first := h.client(token)
	watch(first, maxPerSubject)
	again := h.client(token)
	again.say("type", "watch", "id", "w", "stream", "s", "sdp", w)
	again.fails("throttled")

	first.c.Close(true)
	watch(again, maxPerSubject)
	third := h.client(token)
	third.say("type", "watch", "id", "w", "stream", "s", "sdp", w)
	third.fails("throttled")
	require.Eventually(t, func() bool { return h.srv.sessions.len() == 1+maxPerSubject }, patience, time.Millisecond)
	for i := range maxPerSubject {
		_, err := again.c.get(fmt.Sprint("w", i))
		require.NoError(t, err)
	}
}

// The client's media go on over a relay of the connection before, until it has
// found another way.
func TestSeatKeepsTheRelayBefore(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	revoked := func(k *client) bool {
		p.turn.mu.Lock()
		defer p.turn.mu.Unlock()
		return p.turn.revoked[k.c.lease.holder]
	}
	all := []*client{p.view}
	for range 4 {
		last := all[len(all)-1]
		last.c.Close(true)
		next := p.client("")
		require.NoError(t, next.c.takeOver(t.Context(), clientMessage{ID: "w", Session: p.secrets["w"]}))
		require.False(t, revoked(last))
		all = append(all, next)
	}
	require.True(t, revoked(all[1]))
	require.True(t, revoked(all[2]))
	all[4].c.Close(false)
	for _, k := range all {
		require.Eventually(t, func() bool { return revoked(k) }, patience, time.Millisecond)
	}
}
