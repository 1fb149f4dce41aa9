package rtc

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// watched is a live stream with one WHEP session for a row to work on.
type watched struct {
	*house
	c     *caster
	w     *webrtc.PeerConnection
	offer string
	url   string
	res   *http.Response
	sdp   string
}

func newWatched(t *testing.T) watched {
	t.Helper()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "s", "")
	h.live("s", 2)
	w := newWatcher(t)
	offer := offerOf(t, w)
	res, sdp := h.post("/whep/s", "", offer)
	require.Equal(t, http.StatusCreated, res.StatusCode, sdp)
	return watched{h, c, w, offer, res.Header.Get("Location"), res, sdp}
}

func TestWHEP_H1_H16_PostIsAnswered(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	assert.Equal(t, typeSDP, s.res.Header.Get("Content-Type"))
	assert.Regexp(t, `^/whep/s/[A-Z0-9]{26}$`, s.url)
	for _, a := range s.port.Announced() {
		assert.Contains(t, s.sdp, fmt.Sprintf(" %s %d typ host", a.Addr(), a.Port()))
	}
}

func TestWHEP_H4_BadOffers(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	res, body := s.do(call{method: "POST", path: "/whep/s", contentType: "text/plain", body: s.offer})
	isProblem(t, res, body, http.StatusUnsupportedMediaType)
	res, body = s.post("/whep/s", "", "no offer")
	isProblem(t, res, body, http.StatusBadRequest)
}

func TestWHEP_H5_H6_Directions(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	for _, m := range sections(s.sdp)[1:] {
		assert.Contains(t, m, "a=sendonly\r\n")
	}
	res, answer := s.post("/whep/s", "", strings.ReplaceAll(s.offer, "a=recvonly", "a=sendrecv"))
	require.Equal(t, http.StatusCreated, res.StatusCode, answer)
	for _, m := range sections(answer)[1:] {
		assert.Contains(t, m, "a=sendonly\r\n")
	}
	for _, direction := range []string{"sendonly", "inactive"} {
		res, body := s.post("/whep/s", "", strings.Replace(s.offer, "a=recvonly", "a="+direction, 1))
		isProblem(t, res, body, http.StatusUnprocessableEntity)
	}
}

func TestWHEP_H7_NotLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	res, body := h.post("/whep/s", "", offerOf(t, newWatcher(t)))
	isProblem(t, res, body, http.StatusConflict)
	assert.NotEmpty(t, res.Header.Get("Retry-After"))
}

// h264 is packet seq of a stream of one-packet frames, each an IDR slice.
func h264(seq uint16) *rtp.Packet {
	return &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: uint32(seq) * 3000},
		Payload: []byte{0x65, 0x88, 0x80, byte(seq)},
	}
}

// The publisher comes back with another codec, and no viewer negotiates again.
func TestWHEP_H8_CodecChanges(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	codecs := make(chan string, 100)
	s.w.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for r.Kind() == webrtc.RTPCodecTypeVideo {
			if _, _, err := r.ReadRTP(); err != nil {
				return
			}
			select {
			case codecs <- r.Codec().MimeType:
			default:
			}
		}
	})
	accept(t, s.w, s.sdp)
	stop := s.c.cast(t)
	await(t, codecs, webrtc.MimeTypeVP8)
	stop()
	require.NoError(t, s.c.pc.Close())
	require.Eventually(t, func() bool { return s.hub.Info("s").State == hub.Away }, patience, 5*time.Millisecond)

	again := &caster{pc: newPeer(t, webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: 90000,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		}, PayloadType: 100,
	})}
	var err error
	again.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264}, "video", "cast")
	require.NoError(t, err)
	_, err = again.pc.AddTransceiverFromTrack(again.video, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	again.offer = offerOf(t, again.pc)
	s.publish(again, "s", "")
	quit := make(chan struct{})
	defer close(quit)
	go func() {
		for seq := uint16(0); ; seq++ {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
				_ = again.video.WriteRTP(h264(seq))
			}
		}
	}()
	await(t, codecs, webrtc.MimeTypeH264)
}

// await reads a channel until a value comes.
func await[T comparable](t *testing.T, c <-chan T, want T) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case got := <-c:
			if got == want {
				return
			}
		case <-deadline:
			t.Fatalf("%v never came", want)
		}
	}
}

func TestWHEP_H9_ClientCloses(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	wait := sees(t, s.w, 3)
	accept(t, s.w, s.sdp)
	s.c.cast(t)
	wait()
	require.NoError(t, s.w.Close())
	require.Eventually(t, func() bool {
		res, _ := s.do(call{method: "GET", path: s.url})
		return res.StatusCode == http.StatusNotFound && s.hub.Info("s").Viewers == 0
	}, patience, 10*time.Millisecond)
}

func TestWHEP_H10_Delete(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	require.Equal(t, 1, s.hub.Info("s").Viewers)
	res, _ := s.do(call{method: "DELETE", path: s.url, header: map[string]string{"If-Match": `"x"`}})
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Zero(t, s.hub.Info("s").Viewers)
	res, body := s.do(call{method: "DELETE", path: s.url})
	isProblem(t, res, body, http.StatusNotFound)
	assert.Equal(t, hub.Live, s.hub.Info("s").State, "the stream goes on")
}

func TestWHEP_H11_Options(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	res, _ := h.do(call{method: "OPTIONS", path: "/whep/s"})
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, typeSDP, res.Header.Get("Accept-Post"))
	assert.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	assert.Empty(t, res.Header.Values("Link"))
}

func TestWHEP_H12_GetAndHead(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	for _, path := range []string{"/whep/s", s.url} {
		res, body := s.do(call{method: "GET", path: path})
		assert.Equal(t, http.StatusNoContent, res.StatusCode)
		assert.Empty(t, body)
		res, body = s.do(call{method: "HEAD", path: path})
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Equal(t, typeSDP, res.Header.Get("Content-Type"))
		assert.Empty(t, body)
	}
	// A publication's session is not one of WHEP's.
	res, _ := s.do(call{method: "GET", path: "/whip/s/" + s.url[len("/whep/s/"):]})
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestWHEP_H18_H19_BundleAndOneStream(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	assert.Contains(t, s.sdp, "a=group:BUNDLE 0 1")
	streams := map[string]bool{}
	for _, m := range sections(s.sdp)[1:] {
		assert.Contains(t, m, "a=rtcp-mux\r\n")
		assert.Contains(t, m, "a=rtcp-mux-only\r\n")
		msid := regexp.MustCompile(`a=msid:(\S+)`).FindStringSubmatch(m)
		require.NotNil(t, msid)
		streams[msid[1]] = true
	}
	assert.Len(t, streams, 1)
}

func TestWHEP_H20_Overload(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	h.srv.sessions.shutdown(hub.ErrShutdown)
	res, body := h.post("/whep/s", "", offerOf(t, newWatcher(t)))
	isProblem(t, res, body, http.StatusServiceUnavailable)
	assert.NotEmpty(t, res.Header.Get("Retry-After"))
}

func TestWHEP_H21_ICEServers(t *testing.T) {
	t.Parallel()
	s := newWatched(t)
	require.Len(t, s.res.Header.Values("Link"), 1)
	assert.Contains(t, s.res.Header.Get("Link"), `rel="ice-server"`)
}

func TestWHEP_H22_Bearer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	private := true
	key, err := h.auth.NewKey(t.Context(), "s", &private)
	require.NoError(t, err)
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "s", key)
	h.live("s", 2)
	offer := offerOf(t, newWatcher(t))
	for _, token := range []string{"", "wrong"} {
		res, body := h.post("/whep/s", token, offer)
		isProblem(t, res, body, http.StatusUnauthorized)
		assert.Contains(t, res.Header.Get("WWW-Authenticate"), "Bearer")
	}
	token := h.token(auth.Watch, "s", time.Hour)
	res, body := h.post("/whep/s", token, offer)
	require.Equal(t, http.StatusCreated, res.StatusCode, body)
	url := res.Header.Get("Location")
	res, body = h.do(call{method: "DELETE", path: url, token: h.token(auth.Watch, "s", time.Hour)})
	isProblem(t, res, body, http.StatusNotFound)
	res, _ = h.do(call{method: "DELETE", path: url, token: token})
	assert.Equal(t, http.StatusOK, res.StatusCode)
	res, body = h.post("/whip/s", token, c.offer)
	isProblem(t, res, body, http.StatusForbidden)
}

func TestWHEP_H24_RateLimit(t *testing.T) {
	t.Parallel()
	l, now, refused := newAddressLimit(postsPerSecond, postBurst), time.Unix(0, 0), 0
	from := addr("203.0.113.7")
	for range 200 {
		if !l.allow(from, now) {
			refused++
		}
	}
	assert.Equal(t, 200-postBurst, refused)
	assert.True(t, l.allow(from, now.Add(time.Second)))
	for i := range 3 * maxBuckets {
		l.allow(addr(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)), now)
		require.LessOrEqual(t, len(l.buckets), maxBuckets)
	}
	assert.True(t, l.allow(addr("127.0.0.1"), now))
}

// The viewer is told at once what it lacks.
func TestWHEP_CodecTheViewerLacks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "s", "")
	h.live("s", 2)
	w := newWatcher(t, webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeAV1, ClockRate: 90000}, PayloadType: 45,
	})
	res, body := h.post("/whep/s", "", offerOf(t, w))
	isProblem(t, res, body, http.StatusNotAcceptable)
	assert.Contains(t, body, `"codec":"VP8"`)
	assert.Equal(t, 1, h.srv.sessions.len(), "only the publisher's")
	assert.Zero(t, h.hub.Info("s").Viewers)
}
