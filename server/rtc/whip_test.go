package rtc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// call is one HTTP request to a door.
type call struct {
	method, path, contentType, token, body string
	header                                 map[string]string
}

// do sends a call and returns the response with its body.
func (h *house) do(c call) (*http.Response, string) {
	h.t.Helper()
	r, err := http.NewRequest(c.method, h.url+c.path, strings.NewReader(c.body))
	require.NoError(h.t, err)
	if c.contentType != "" {
		r.Header.Set("Content-Type", c.contentType)
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for k, v := range c.header {
		r.Header.Set(k, v)
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(h.t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(h.t, err)
	return res, string(b)
}

// post opens a session and returns the response.
func (h *house) post(path, token, offer string) (*http.Response, string) {
	h.t.Helper()
	return h.do(call{method: "POST", path: path, contentType: typeSDP, token: token, body: offer})
}

// publish lets a caster go live and returns its session URL.
func (h *house) publish(c *caster, stream, token string) string {
	h.t.Helper()
	res, answer := h.post("/whip/"+stream, token, c.offer)
	require.Equal(h.t, http.StatusCreated, res.StatusCode, answer)
	accept(h.t, c.pc, answer)
	return res.Header.Get("Location")
}

func TestPublishAndWatch(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "harbour", "")
	c.cast(t)
	h.live("harbour", 2)

	w := newWatcher(t)
	wait := sees(t, w, 20)
	res, answer := h.post("/whep/harbour", "", offerOf(t, w))
	require.Equal(t, http.StatusCreated, res.StatusCode, answer)
	assert.NotEmpty(t, res.Header.Get("Location"))
	accept(t, w, answer)
	wait()
}

const goodFragment = "a=ice-ufrag:%s\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"

// fragmentOf is a trickle fragment for the session of an offer.
func fragmentOf(offer string, lines ...string) string {
	_, rest, _ := strings.Cut(offer, "a=ice-ufrag:")
	ufrag, _, _ := strings.Cut(rest, "\r\n")
	return fmt.Sprintf(goodFragment, ufrag) + strings.Join(lines, "\r\n") + "\r\n"
}

// opened is one open WHIP session for a row to work on.
type opened struct {
	*house
	c   *caster
	url string
	res *http.Response
	sdp string
}

func newOpened(t *testing.T) opened {
	t.Helper()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	res, sdp := h.post("/whip/s", "", c.offer)
	require.Equal(t, http.StatusCreated, res.StatusCode, sdp)
	return opened{h, c, res.Header.Get("Location"), res, sdp}
}

func (s opened) patch(body string, header map[string]string) (*http.Response, string) {
	return s.do(call{method: "PATCH", path: s.url, contentType: typeTrickle, body: body, header: header})
}

// isProblem checks an RFC 9457 answer with words for a person.
func isProblem(t *testing.T, res *http.Response, body string, status int) {
	t.Helper()
	assert.Equal(t, status, res.StatusCode, body)
	assert.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	var p problem
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	assert.Equal(t, status, p.Status)
	assert.Greater(t, len(p.Detail), 20, "says what to do")
}

// sections cuts an SDP into its session part and its m-sections.
func sections(sdp string) []string { return strings.Split(sdp, "m=") }

func TestWHIP_W1_PostIsAnswered(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	assert.Equal(t, typeSDP, s.res.Header.Get("Content-Type"))
	assert.Contains(t, s.sdp, "v=0")
	assert.Regexp(t, `^/whip/s/[A-Z0-9]{26}$`, s.url)
}

func TestWHIP_W2_ContentType(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	for _, ct := range []string{"", "text/plain", "application/json", "application/sdp2", ";"} {
		res, body := h.do(call{method: "POST", path: "/whip/s", contentType: ct, body: c.offer})
		isProblem(t, res, body, http.StatusUnsupportedMediaType)
	}
	res, body := h.do(call{method: "POST", path: "/whip/s", contentType: "Application/SDP; charset=utf-8", body: c.offer})
	assert.Equal(t, http.StatusCreated, res.StatusCode, body)
}

func TestWHIP_W3_MalformedSDP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for _, body := range []string{"", "hello", "v=0\r\n", "\x00\x01\x02", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video\r\n"} {
		res, answer := h.post("/whip/s", "", body)
		isProblem(t, res, answer, http.StatusBadRequest)
	}
	assert.Zero(t, h.srv.sessions.len(), "nothing is allocated")
	assert.Equal(t, hub.Offline, h.hub.Info("s").State)
}

func TestWHIP_W4_AnswerIsRecvonly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for i, direction := range []string{"sendonly", "sendrecv"} {
		c := newCaster(t, webrtc.MimeTypeVP8)
		res, answer := h.post(fmt.Sprintf("/whip/s%d", i), "", strings.ReplaceAll(c.offer, "a=sendonly", "a="+direction))
		require.Equal(t, http.StatusCreated, res.StatusCode, answer)
		for _, m := range sections(answer)[1:] {
			assert.Contains(t, m, "a=recvonly\r\n")
		}
	}
}

func TestWHIP_W5_OffersThatSendNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	for _, direction := range []string{"recvonly", "inactive"} {
		res, body := h.post("/whip/s", "", strings.Replace(c.offer, "a=sendonly", "a="+direction, 1))
		isProblem(t, res, body, http.StatusUnprocessableEntity)
	}
}

func TestWHIP_W6_Get(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	for _, path := range []string{"/whip/s", s.url} {
		res, body := s.do(call{method: "GET", path: path})
		assert.Equal(t, http.StatusNoContent, res.StatusCode)
		assert.Empty(t, body)
	}
	res, body := s.do(call{method: "GET", path: "/whip/s/ABC"})
	isProblem(t, res, body, http.StatusNotFound)
}

func TestWHIP_W7_W8_Delete(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	ended := make(chan struct{})
	var once sync.Once
	s.c.pc.OnConnectionStateChange(func(st webrtc.PeerConnectionState) {
		if st == webrtc.PeerConnectionStateClosed {
			once.Do(func() { close(ended) })
		}
	})
	accept(t, s.c.pc, s.sdp)
	s.c.cast(t)
	s.live("s", 2)
	res, _ := s.do(call{method: "DELETE", path: s.url})
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.NotEqual(t, hub.Live, s.hub.Info("s").State, "the stream ends at once")
	assert.NotEqual(t, hub.Away, s.hub.Info("s").State)
	res, body := s.do(call{method: "DELETE", path: s.url})
	isProblem(t, res, body, http.StatusNotFound)
	select {
	case <-ended: // DTLS close_notify came
	case <-time.After(patience):
		t.Fatal("the client was not told")
	}
	require.Eventually(t, func() bool {
		s.turn.mu.Lock()
		defer s.turn.mu.Unlock()
		return len(s.turn.revoked) == 1
	}, patience, time.Millisecond, "the TURN credentials are revoked")
}

func TestWHIP_W9_Options(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	res, _ := h.do(call{method: "OPTIONS", path: "/whip/s"})
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, typeSDP, res.Header.Get("Accept-Post"))
}

// That a client which vanishes is noticed is tested in the package ingest.
func TestWHIP_W10_ClientCloses(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	accept(t, s.c.pc, s.sdp)
	s.live("s", 2)
	require.Eventually(t, func() bool { return s.c.pc.ConnectionState() == webrtc.PeerConnectionStateConnected }, patience, time.Millisecond)
	require.NoError(t, s.c.pc.Close())
	require.Eventually(t, func() bool {
		res, _ := s.do(call{method: "GET", path: s.url})
		return res.StatusCode == http.StatusNotFound
	}, patience, 10*time.Millisecond)
	assert.Equal(t, hub.Away, s.hub.Info("s").State, "its viewers wait")
	res, _ := s.do(call{method: "DELETE", path: s.url})
	assert.Equal(t, http.StatusOK, res.StatusCode, "encoders close before they delete")
	assert.Equal(t, hub.Offline, s.hub.Info("s").State, "then it was the end")
	res, _ = s.do(call{method: "DELETE", path: s.url})
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestWHIP_W11_BadPatches(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	res, body := s.do(call{method: "PATCH", path: s.url, contentType: typeSDP, body: fragmentOf(s.c.offer)})
	isProblem(t, res, body, http.StatusUnsupportedMediaType)
	for _, bad := range []string{"", "hello", "a=", "x=1\r\n", "a=candidate:1 1 udp\r\n", strings.Repeat("a=mid:0\r\n", 1000)} {
		res, body := s.patch(bad, nil)
		isProblem(t, res, body, http.StatusBadRequest)
	}
}

func TestWHIP_W17_AllCandidates(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	for _, a := range s.port.Announced() {
		assert.Contains(t, s.sdp, fmt.Sprintf(" %s %d typ host\r\n", a.Addr(), a.Port()))
	}
	assert.Contains(t, s.sdp, "a=end-of-candidates")
}

func TestWHIP_W18_W19_Trickle(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	res, body := s.patch(fragmentOf(s.c.offer,
		"a=candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host",
		"a=candidate:2 1 udp 2130706431 0b3a9a1e-1.local 5000 typ host",
		"a=candidate:3 1 tcp 2130706431 127.0.0.1 9 typ host tcptype active",
		"a=candidate:4 1 sctp 2130706431 nowhere 9 typ strange",
		"a=end-of-candidates"), map[string]string{"If-Match": s.res.Header.Get("ETag")})
	assert.Equal(t, http.StatusNoContent, res.StatusCode, body)
	assert.Empty(t, body)
	assert.Empty(t, res.Header.Get("ETag"))
}

func TestWHIP_W24_Bundle(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	for _, m := range sections(s.sdp)[1:] {
		assert.Contains(t, m, "a=rtcp-mux\r\n")
		assert.Contains(t, m, "a=rtcp-mux-only\r\n")
	}
	c := newCaster(t, webrtc.MimeTypeVP8)
	res, body := s.post("/whip/t", "", strings.Replace(c.offer, "a=group:BUNDLE 0 1\r\n", "", 1))
	isProblem(t, res, body, http.StatusUnprocessableEntity)
	maxBundle := strings.Replace(c.offer, "m=video 9 ", "m=video 0 ", 1) + "a=bundle-only\r\n"
	res, body = s.post("/whip/t", "", maxBundle)
	assert.Equal(t, http.StatusCreated, res.StatusCode, body)
}

func TestWHIP_W25_TwoOfOneKind(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	second := "m=" + sections(c.offer)[2]
	offer := strings.Replace(c.offer, "BUNDLE 0 1", "BUNDLE 0 1 2", 1) + strings.Replace(second, "a=mid:1", "a=mid:2", 1)
	res, body := h.post("/whip/s", "", offer)
	isProblem(t, res, body, http.StatusUnprocessableEntity)
}

func TestWHIP_W26_NoPartialSuccess(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	data := "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=setup:actpass\r\n"
	for name, offer := range map[string]string{
		"unknown audio codec": strings.NewReplacer("opus/48000/2", "mpeg4-generic/48000/2", "G722/8000", "L8/8000", "PCMU/8000", "L8/8000", "PCMA/8000", "L8/8000").Replace(c.offer),
		"data channel":        strings.Replace(c.offer, "BUNDLE 0 1", "BUNDLE 0 1 2", 1) + data,
		"rejected section":    strings.Replace(c.offer, "m=video 9", "m=video 0", 1),
		"no rtcp-mux":         strings.Replace(c.offer, "a=rtcp-mux\r\n", "", 1),
		"not encrypted":       strings.Replace(c.offer, "UDP/TLS/RTP/SAVPF", "RTP/AVP", 1),
	} {
		res, body := h.post("/whip/s", "", offer)
		t.Log(name)
		isProblem(t, res, body, http.StatusUnprocessableEntity)
	}
	assert.Zero(t, h.srv.sessions.len())
}

func TestWHIP_W27_Setup(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	for setup, status := range map[string]int{"actpass": 201, "active": 201, "passive": 422, "holdconn": 422} {
		res, body := h.post("/whip/"+setup, "", strings.ReplaceAll(c.offer, "a=setup:actpass", "a=setup:"+setup))
		assert.Equal(t, status, res.StatusCode, body)
		if status == 201 {
			assert.Contains(t, body, "a=setup:passive")
		}
	}
}

func TestWHIP_W28_W29_Overload(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	h.srv.sessions.shutdown(hub.ErrShutdown)
	c := newCaster(t, webrtc.MimeTypeVP8)
	res, body := h.post("/whip/s", "", c.offer)
	isProblem(t, res, body, http.StatusServiceUnavailable)
	assert.NotEmpty(t, res.Header.Get("Retry-After"))
}

func TestWHIP_W30_W31_ICEServers(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	links := s.res.Header.Values("Link")
	require.Len(t, links, 1)
	assert.Regexp(t, `^<turn:127\.0\.0\.1:\d+\?transport=tcp>; rel="ice-server"; username="[A-Z0-9]+"; credential="[cA-Z0-9]+"; credential-type="password"$`, links[0])
	assert.NotContains(t, links[0], s.url[len("/whip/s/"):], "the session's id stays secret")
	res, _ := s.do(call{method: "OPTIONS", path: "/whip/s"})
	assert.Empty(t, res.Header.Values("Link"))
}

func TestWHIP_W32_Bearer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("s")
	c := newCaster(t, webrtc.MimeTypeVP8)
	denied := func(res *http.Response, body string) {
		t.Helper()
		isProblem(t, res, body, http.StatusUnauthorized)
		assert.Contains(t, res.Header.Get("WWW-Authenticate"), "Bearer")
	}
	denied(h.post("/whip/s", "", c.offer))
	denied(h.post("/whip/s", "wrong", c.offer))
	res, body := h.post("/whip/s", h.key("other"), c.offer)
	isProblem(t, res, body, http.StatusForbidden)
	res, body = h.post("/whip/s", key, c.offer)
	require.Equal(t, http.StatusCreated, res.StatusCode, body)
	url := res.Header.Get("Location")
	for _, method := range []string{"PATCH", "DELETE"} {
		denied(h.do(call{method: method, path: url, contentType: typeTrickle, body: fragmentOf(c.offer)}))
	}
	// Another principal who may publish the stream does not find the session.
	token := h.token(auth.Publish, "s", time.Hour)
	for _, method := range []string{"PATCH", "DELETE"} {
		res, body := h.do(call{method: method, path: url, contentType: typeTrickle, body: fragmentOf(c.offer), token: token})
		isProblem(t, res, body, http.StatusNotFound)
	}
	res, _ = h.do(call{method: "DELETE", path: url, token: key, header: map[string]string{"Authorization": "bearer " + key}})
	assert.Equal(t, http.StatusOK, res.StatusCode)
}

// Simulcast is answered without: the client then sends one layer. Chromium's
// simulcast offers declare no SSRCs.
func TestWHIP_W33_Simulcast(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	offer := regexp.MustCompile(`a=ssrc[^\r]*\r\n`).ReplaceAllString(c.offer, "") +
		"a=rid:h send\r\na=rid:l send\r\na=simulcast:send h;l\r\n"
	res, answer := h.post("/whip/s", "", offer)
	require.Equal(t, http.StatusCreated, res.StatusCode, answer)
	assert.NotContains(t, answer, "simulcast")
	assert.NotContains(t, answer, "a=rid")
	accept(t, c.pc, answer)
	c.cast(t)
	h.live("s", 2)
	require.Eventually(t, func() bool { return h.hasPackets("s") }, patience, 5*time.Millisecond)
}

// hasPackets tells whether a stream's video has come.
func (h *house) hasPackets(stream string) bool {
	sub, err := h.hub.Watch(context.Background(), auth.System(auth.Watch, stream))
	if err != nil {
		return false
	}
	defer sub.Close(hub.ErrEnded)
	t := sub.Stream().Track(media.Video)
	if t == nil {
		return false
	}
	_, ok := t.Ring().Keyframe()
	return ok
}

func TestWHIP_W34_NoExtensionIsRequired(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	for _, l := range s.res.Header.Values("Link") {
		assert.Contains(t, l, `rel="ice-server"`)
	}
}

func TestWHIP_W35_RateLimits(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	status := func(method, path, from string) int {
		r := httptest.NewRequest(method, path, strings.NewReader("no offer"))
		r.RemoteAddr = from
		r.Header.Set("Content-Type", typeSDP)
		w := httptest.NewRecorder()
		h.srv.WHIP().ServeHTTP(w, r)
		return w.Code
	}
	refused := 0
	for range postBurst + 10 {
		if status("POST", "/whip/s", "203.0.113.7:1000") == http.StatusTooManyRequests {
			refused++
		}
	}
	assert.GreaterOrEqual(t, refused, 8)
	assert.Equal(t, http.StatusBadRequest, status("POST", "/whip/s", "203.0.113.8:1000"), "others are not concerned")
	refused = 0
	for range changeBurst + 20 {
		switch status("DELETE", "/whip/s/"+rand.Text(), "203.0.113.7:1000") {
		case http.StatusTooManyRequests:
			refused++
		case http.StatusNotFound:
		default:
			t.Error("a guessed session is not found")
		}
	}
	assert.GreaterOrEqual(t, refused, 15)
}

func TestWHIP_W35_PatchesOfOneSession(t *testing.T) {
	t.Parallel()
	s := newOpened(t)
	refused := 0
	for range patchBurst + 15 {
		if res, _ := s.patch(fragmentOf(s.c.offer), nil); res.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	assert.Positive(t, refused)
}

func TestWHIP_W36_Problems(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	res, body := h.post("/whip/_bad", "", c.offer)
	isProblem(t, res, body, http.StatusBadRequest)
	res, body = h.post("/whip/s/x/y", "", c.offer)
	isProblem(t, res, body, http.StatusNotFound)
	res, body = h.do(call{method: "PUT", path: "/whip/s"})
	isProblem(t, res, body, http.StatusMethodNotAllowed)
	assert.NotEmpty(t, res.Header.Get("Allow"))
	res, body = h.post("/whip/s", "", c.offer+strings.Repeat("a=x\r\n", 20000))
	isProblem(t, res, body, http.StatusRequestEntityTooLarge)
}

func TestWHIP_W37_CORS(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	for _, method := range []string{"OPTIONS", "POST"} {
		res, _ := h.do(call{method: method, path: "/whip/s"})
		assert.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
		for _, want := range []string{"Location", "ETag", "Link"} {
			assert.Contains(t, res.Header.Get("Access-Control-Expose-Headers"), want)
		}
		for _, want := range []string{"POST", "PATCH", "DELETE", "OPTIONS"} {
			assert.Contains(t, res.Header.Get("Access-Control-Allow-Methods"), want)
		}
		for _, want := range []string{"Authorization", "Content-Type", "If-Match"} {
			assert.Contains(t, res.Header.Get("Access-Control-Allow-Headers"), want)
		}
	}
}

func TestWHIP_TwoPublishers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("s")
	first, again, other := newCaster(t, webrtc.MimeTypeVP8), newCaster(t, webrtc.MimeTypeVP8), newCaster(t, webrtc.MimeTypeVP8)
	url := h.publish(first, "s", key)
	res, body := h.post("/whip/s", h.token(auth.Publish, "s", time.Hour), other.offer)
	isProblem(t, res, body, http.StatusConflict)
	h.publish(again, "s", key)
	require.Eventually(t, func() bool {
		res, _ := h.do(call{method: "GET", path: url})
		return res.StatusCode == http.StatusNotFound
	}, patience, 5*time.Millisecond, "the same publisher takes over")
}

func TestSessionLimits(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	_, err := r.reserve("", netip.MustParseAddr("203.0.113.1"))
	require.ErrorIs(t, err, hub.ErrShutdown)
	r.open()
	var release []func()
	for i := range maxPerSubject {
		f, err := r.reserve("token:a", netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}))
		require.NoError(t, err)
		release = append(release, f)
	}
	_, err = r.reserve("token:a", netip.MustParseAddr("203.0.113.99"))
	require.ErrorIs(t, err, ErrTooMany)
	v6 := netip.MustParseAddr("2001:db8::1")
	for range maxConnecting {
		f, err := r.reserve("", v6)
		require.NoError(t, err)
		release = append(release, f)
		v6 = v6.Next()
	}
	_, err = r.reserve("", v6)
	require.ErrorIs(t, err, ErrTooMany, "one IPv6 network counts as one address")
	for _, f := range release {
		f()
	}
	assert.Empty(t, r.subjects)
	assert.Empty(t, r.addresses)
	r.shutdown(hub.ErrShutdown)
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	c := newCaster(t, webrtc.MimeTypeVP8)
	url := h.publish(c, "s", h.token(auth.Publish, "s", 2*time.Second))
	require.Eventually(t, func() bool {
		res, _ := h.do(call{method: "GET", path: url})
		return res.StatusCode == http.StatusNotFound
	}, patience, 20*time.Millisecond)
}
