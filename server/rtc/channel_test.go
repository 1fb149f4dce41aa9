package rtc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/hub"
)

// line is a WebSocket connection of a test.
type line struct {
	token string
	sent  chan map[string]any
}

func (l *line) Send(m any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	var got map[string]any
	if err := json.Unmarshal(b, &got); err != nil {
		return err
	}
	l.sent <- got
	return nil
}

func (l *line) Account() string      { return "" }
func (l *line) Token() string        { return l.token }
func (l *line) Addr() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:5000") }
func (l *line) Host() string         { return "example.test" }

// client is a channel with its connection.
type client struct {
	t *testing.T
	c *Channel
	l *line
}

func (h *house) client(token string) *client {
	h.t.Helper()
	l := &line{token: token, sent: make(chan map[string]any, 1000)}
	k := &client{h.t, h.srv.Channel(l), l}
	h.t.Cleanup(func() { k.c.Close(false) })
	ice := k.expect("ice")
	assert.NotEmpty(h.t, ice["iceServers"])
	return k
}

// say sends a message made of key and value pairs.
func (k *client) say(pairs ...string) {
	k.t.Helper()
	m := map[string]string{"ch": "rtc"}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	b, err := json.Marshal(m)
	require.NoError(k.t, err)
	require.NoError(k.t, k.c.Handle(k.t.Context(), b))
}

// expect returns the next message of a type; others are skipped.
func (k *client) expect(kind string) map[string]any {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-k.l.sent:
			assert.Equal(k.t, "rtc", m["ch"])
			if m["type"] == kind {
				return m
			}
			if m["type"] == "error" {
				k.t.Fatalf("instead of %s: %v", kind, m)
			}
		case <-deadline:
			k.t.Fatalf("no message of type %s came", kind)
		}
	}
}

// fails expects an error with a code.
func (k *client) fails(code string) map[string]any {
	k.t.Helper()
	m := k.expect2("error")
	assert.Equal(k.t, code, m["code"], m)
	assert.Greater(k.t, len(m["message"].(string)), 20)
	return m
}

// expect2 is expect for errors.
func (k *client) expect2(kind string) map[string]any {
	k.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-k.l.sent:
			if m["type"] == kind {
				return m
			}
		case <-deadline:
			k.t.Fatalf("no message of type %s came", kind)
		}
	}
}

// state waits until the stream message says a state.
func (k *client) state(want hub.State, tracks int) map[string]any {
	k.t.Helper()
	for {
		s := k.expect("stream")["stream"].(map[string]any)
		if s["state"] == string(want) && len(s["tracks"].([]any)) == tracks {
			return s
		}
	}
}

func TestChannelPublishAndWatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	pub, view := h.client(""), h.client("")
	view.say("type", "follow", "stream", "harbour")
	view.state(hub.Offline, 0)

	c := newCaster(t, webrtc.MimeTypeVP8)
	pub.say("type", "publish", "id", "p1", "stream", "harbour", "sdp", c.offer, "title", "Harbour at dawn")
	a := pub.expect("answer")
	assert.Equal(t, "p1", a["id"])
	assert.NotEmpty(t, a["resume"])
	assert.NotEmpty(t, a["iceServers"])
	accept(t, c.pc, a["sdp"].(string))
	c.cast(t)
	s := view.state(hub.Live, 2)
	assert.Equal(t, "Harbour at dawn", s["title"])

	w := newWatcher(t)
	wait := sees(t, w, 5)
	view.say("type", "watch", "id", "w1", "stream", "harbour", "sdp", offerOf(t, w))
	a = view.expect("answer")
	assert.Nil(t, a["resume"])
	accept(t, w, a["sdp"].(string))
	view.say("type", "candidate", "id", "w1")
	wait()

	pub.say("type", "title", "id", "p1", "title", "Harbour at noon")
	require.Eventually(t, func() bool { return h.hub.Info("harbour").Title == "Harbour at noon" }, patience, time.Millisecond)

	pub.say("type", "stop", "id", "p1")
	stopped := view.expect("stopped")
	assert.Equal(t, "w1", stopped["id"])
	assert.Equal(t, "ended", stopped["code"])
}

// The session that was stopped ends while its id is another's already.
func TestChannelIDIsUsedAgain(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	pub := h.client("")
	pub.say("type", "publish", "id", "p", "stream", "harbour", "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
	pub.expect("answer")
	first, err := pub.c.get("p")
	require.NoError(t, err)
	pub.say("type", "stop", "id", "p")
	pub.say("type", "publish", "id", "p", "stream", "harbour", "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
	pub.expect("answer")
	second, err := pub.c.get("p")
	require.NoError(t, err)
	<-first.media.Done()
	pub.c.ended("p", first, hub.ErrEnded) // once more, whenever the first time was
	got, err := pub.c.get("p")
	require.NoError(t, err)
	require.Same(t, second, got)
	pub.c.Close(false)
	<-second.media.Done()
}

func TestChannelResume(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	first := h.client("")
	c := newCaster(t, webrtc.MimeTypeVP8)
	first.say("type", "publish", "id", "p", "stream", "s", "sdp", c.offer)
	resume := first.expect("answer")["resume"].(string)

	second := h.client("")
	offer := newCaster(t, webrtc.MimeTypeVP8).offer
	second.say("type", "publish", "id", "p", "stream", "s", "sdp", offer)
	assert.NotNil(t, second.fails("busy")["retryAfter"])
	second.say("type", "publish", "id", "p", "stream", "s", "sdp", offer, "resume", resume)
	second.expect("answer")
	assert.Equal(t, "replaced", first.expect("stopped")["code"])
}

func TestChannelShutdown(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	pub := h.client("")
	pub.say("type", "publish", "id", "p", "stream", "s", "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
	pub.expect("answer")
	h.stop()
	m := pub.expect("stopped")
	assert.Equal(t, "shutdown", m["code"])
	assert.NotNil(t, m["retryAfter"])
}

func TestChannelRefusals(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	offer := newCaster(t, webrtc.MimeTypeVP8).offer
	key := h.key("s")
	for _, tt := range []struct {
		name, code string
		say        []string
	}{
		{"unknown type", "bad_request", []string{"type", "dance"}},
		{"no type", "bad_request", nil},
		{"bad name", "bad_name", []string{"type", "publish", "id", "p", "stream", "no/name", "sdp", offer}},
		{"no key", "unauthenticated", []string{"type", "publish", "id", "p", "stream", "s", "sdp", offer}},
		{"wrong key", "unauthenticated", []string{"type", "publish", "id", "p", "stream", "s", "sdp", offer, "token", "x"}},
		{"another stream's key", "denied", []string{"type", "publish", "id", "p", "stream", "other", "sdp", offer, "token", key}},
		{"no id", "bad_request", []string{"type", "publish", "stream", "s", "sdp", offer, "token", key}},
		{"long id", "bad_request", []string{"type", "publish", "id", strings.Repeat("i", 33), "stream", "s", "sdp", offer, "token", key}},
		{"no SDP", "bad_request", []string{"type", "publish", "id", "p", "stream", "s", "token", key}},
		{"long title", "bad_request", []string{"type", "publish", "id", "p", "stream", "s", "sdp", offer, "token", key, "title", strings.Repeat("t", 121)}},
		{"two lines of title", "bad_request", []string{"type", "publish", "id", "p", "stream", "s", "sdp", offer, "token", key, "title", "a\nb"}},
		{"not live", "not_live", []string{"type", "watch", "id", "w", "stream", "s", "sdp", strings.ReplaceAll(offer, "a=sendonly", "a=recvonly")}},
		{"stop nothing", "no_session", []string{"type", "stop", "id", "p"}},
		{"title of nothing", "no_session", []string{"type", "title", "id", "p", "title", "x"}},
		{"restart nothing", "no_session", []string{"type", "restart", "id", "p", "sdp", offer}},
		{"candidate for nothing", "no_session", []string{"type", "candidate", "id", "p"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := h.client("")
			k.t = t
			k.say(tt.say...)
			k.fails(tt.code)
		})
	}
	assert.Zero(t, h.srv.sessions.len())
}

func TestChannelNotJSON(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	k := h.client("")
	for _, raw := range []string{"", "[]", `"x"`, `{"type":1}`, `{"type":"poster","jpeg":"!"}`} {
		require.NoError(t, k.c.Handle(t.Context(), json.RawMessage(raw)), "the connection goes on")
		k.fails("bad_request")
	}
}

// What is not live is followed, so that the client learns when it is.
func TestChannelFollowsWhatItCannotWatchYet(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	k := h.client("")
	k.say("type", "watch", "id", "w", "stream", "s", "sdp", offerOf(t, newWatcher(t)))
	k.fails("not_live")
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "s", "")
	k.state(hub.Live, 2)
	k.say("type", "watch", "id", "w", "stream", "s", "sdp", offerOf(t, newWatcher(t)))
	k.expect("answer")
	k.say("type", "unfollow", "stream", "s")
	assert.Zero(t, h.followed())
}

func TestChannelLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	k := h.client("")
	for i := range maxIDs {
		k.say("type", "publish", "id", fmt.Sprint(i), "stream", fmt.Sprintf("s%d", i), "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
		k.expect("answer")
	}
	offer := newCaster(t, webrtc.MimeTypeVP8).offer
	k.say("type", "publish", "id", "x", "stream", "s", "sdp", offer)
	k.fails("throttled")
	k.say("type", "publish", "id", "1", "stream", "s", "sdp", offer)
	k.fails("no_session")
	for i := range maxFollows {
		k.say("type", "follow", "stream", fmt.Sprintf("s%d", i))
	}
	k.say("type", "follow", "stream", "onemore")
	k.fails("bad_request")
	k.c.Close(false)
	assert.Zero(t, h.followed())
}

func TestChannelPoster(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	k := h.client("")
	k.say("type", "publish", "id", "p", "stream", "s", "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
	k.expect("answer")
	var picture bytes.Buffer
	require.NoError(t, jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 64, 36)), nil))
	k.say("type", "poster", "id", "p", "jpeg", base64.StdEncoding.EncodeToString(picture.Bytes()))
	got, _ := h.hub.Poster("s")
	assert.Equal(t, picture.Bytes(), got)
	k.say("type", "poster", "id", "p", "jpeg", base64.StdEncoding.EncodeToString(picture.Bytes()))
	k.fails("throttled")

	other := h.client("")
	other.say("type", "publish", "id", "p", "stream", "s2", "sdp", newCaster(t, webrtc.MimeTypeVP8).offer)
	other.expect("answer")
	other.say("type", "poster", "id", "p", "jpeg", base64.StdEncoding.EncodeToString([]byte("<svg onload=alert(1)>")))
	other.fails("bad_request")
}

// The golden files of the wire are read here as the frontend writes them.
func TestChannelReadsTheGoldenMessages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../web/testdata/wire/client/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var m struct {
			Ch string `json:"ch"`
			clientMessage
		}
		require.NoError(t, json.Unmarshal(b, &m), file)
		if m.Ch != "rtc" {
			continue
		}
		h := newHouse(t, false)
		k := h.client("")
		require.NoError(t, k.c.Handle(t.Context(), b), file)
		if m.Type == "follow" || m.Type == "unfollow" {
			continue
		}
		got := k.expect2("error")
		assert.NotContains(t, got["message"], "no message of type", file)
	}
}

// followed counts the streams that anybody follows.
func (h *house) followed() int {
	f := h.srv.follows
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.streams) + len(f.fresh)
}

// What is sent is what the golden files of the wire say, field by field.
func TestChannelWritesTheGoldenMessages(t *testing.T) {
	t.Parallel()
	for pattern, make := range map[string]func() any{
		"answer-*": func() any { return &answerMessage{} },
		"ice":      func() any { return &iceMessage{} },
		"stream-*": func() any { return &streamMessage{} },
		"data*":    func() any { return &dataMessage{} },
		"stopped*": func() any { return &stoppedMessage{} },
		"error-*":  func() any { return &errorMessage{} },
	} {
		files, err := filepath.Glob("../web/testdata/wire/server/" + pattern + ".json")
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			if !bytes.Contains(golden, []byte(`"ch"`)) {
				continue // not of this channel
			}
			m := make()
			d := json.NewDecoder(bytes.NewReader(golden))
			d.DisallowUnknownFields()
			require.NoError(t, d.Decode(m), file)
			written, err := json.Marshal(m)
			require.NoError(t, err)
			assert.JSONEq(t, string(golden), string(written), file)
		}
	}
}
