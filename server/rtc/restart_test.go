package rtc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/rtc/lite"
)

// value returns the first value of an attribute of an SDP.
func value(sdp, key string) string {
	_, rest, _ := strings.Cut(sdp, "a="+key+":")
	v, _, _ := strings.Cut(rest, "\r\n")
	return v
}

// restartOf has a client begin an ICE restart and returns the fragment for it.
func restartOf(t *testing.T, pc *webrtc.PeerConnection) (fragment string) {
	t.Helper()
	o, err := pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	require.NoError(t, err)
	gathered := webrtc.GatheringCompletePromise(pc)
	require.NoError(t, pc.SetLocalDescription(o))
	<-gathered
	return fmt.Sprintf("a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
		value(o.SDP, "ice-ufrag"), value(o.SDP, "ice-pwd"))
}

// goOn gives a client the answer to its restart: that to its first offer, with
// what the fragment says.
func goOn(t *testing.T, pc *webrtc.PeerConnection, answer, fragment string) {
	t.Helper()
	for _, key := range []string{"ice-ufrag", "ice-pwd"} {
		require.NotEmpty(t, value(fragment, key))
		answer = strings.ReplaceAll(answer, value(answer, key), value(fragment, key))
	}
	accept(t, pc, answer)
}

// patched is a session at a URL, with its client.
type patched struct {
	*house
	pc               *webrtc.PeerConnection
	url, etag, offer string
	answer           string
	flows            func() // returns when media pass now
}

// forBoth runs a row of the table for a session of WHIP and one of WHEP.
func forBoth(t *testing.T, row func(t *testing.T, p patched)) {
	t.Helper()
	t.Run("whip", func(t *testing.T) {
		t.Parallel()
		s := newOpened(t)
		accept(t, s.c.pc, s.sdp)
		s.live("s", 2)
		w := newWatcher(t)
		got := make(chan struct{}, 1)
		reportPackets(w, got)
		_, answer := s.post("/whep/s", "", offerOf(t, w))
		accept(t, w, answer)
		s.c.cast(t)
		row(t, patched{s.house, s.c.pc, s.url, s.res.Header.Get("ETag"), s.c.offer, s.sdp, func() { flows(t, got) }})
	})
	t.Run("whep", func(t *testing.T) {
		t.Parallel()
		s := newWatched(t)
		got := make(chan struct{}, 1)
		reportPackets(s.w, got)
		accept(t, s.w, s.sdp)
		s.c.cast(t)
		row(t, patched{s.house, s.w, s.url, s.res.Header.Get("ETag"), s.offer, s.sdp, func() { flows(t, got) }})
	})
}

func (p patched) patch(body, match string) (*http.Response, string) {
	c := call{method: "PATCH", path: p.url, contentType: typeTrickle, body: body}
	if match != "" {
		c.header = map[string]string{"If-Match": match}
	}
	return p.do(c)
}

// alive checks that the session is there.
func (p patched) alive(t *testing.T) {
	t.Helper()
	res, _ := p.do(call{method: "GET", path: p.url})
	assert.Equal(t, http.StatusNoContent, res.StatusCode)
}

func Test_W13_H14_StrongETag(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		assert.Regexp(t, `^"[A-Z0-9]{16}"$`, p.etag)
	})
}

func Test_W14_W15_W16_H13_H14_IfMatch(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		restart := fmt.Sprintf(goodFragment, "another")
		for _, body := range []string{fragmentOf(p.offer), restart} {
			res, text := p.patch(body, "")
			isProblem(t, res, text, http.StatusPreconditionRequired)
			for _, match := range []string{`"other"`, "W/" + p.etag, strings.Trim(p.etag, `"`), `"a", "b"`} {
				res, text = p.patch(body, match)
				isProblem(t, res, text, http.StatusPreconditionFailed)
			}
		}
		for _, match := range []string{p.etag, `"other", ` + p.etag, "*", `"*"`} {
			res, text := p.patch(fragmentOf(p.offer), match)
			assert.Equal(t, http.StatusNoContent, res.StatusCode, text)
		}
		res, _ := p.do(call{method: "DELETE", path: p.url, header: map[string]string{"If-Match": `"other"`}})
		assert.Equal(t, http.StatusOK, res.StatusCode)
	})
}

func Test_W18_W19_H15_Trickle(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		res, body := p.patch(fragmentOf(p.offer,
			"a=candidate:2 1 udp 2130706431 0b3a9a1e-1.local 5000 typ host",
			"a=candidate:4 1 sctp 2130706431 nowhere 9 typ strange"), p.etag)
		assert.Equal(t, http.StatusNoContent, res.StatusCode, body)
		assert.Empty(t, body)
		assert.Empty(t, res.Header.Get("ETag"))
	})
}

// Media go on over another address of the client, without a new offer.
func Test_W20_W21_W22_H16_H17_Restart(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		p.flows()
		older := p.etag
		for _, match := range []string{`"*"`, "*", ""} {
			if match == "" {
				match = p.etag
			}
			res, fragment := p.patch(restartOf(t, p.pc), match)
			require.Equal(t, http.StatusOK, res.StatusCode, fragment)
			assert.Equal(t, typeTrickle, res.Header.Get("Content-Type"))
			p.etag = res.Header.Get("ETag")
			assert.Regexp(t, `^"[A-Z0-9]{16}"$`, p.etag)
			assert.NotEqual(t, older, p.etag)
			for _, a := range p.port.Announced() {
				assert.Contains(t, fragment, fmt.Sprintf(" %s %d typ host\r\n", a.Addr(), a.Port()))
			}
			assert.Contains(t, fragment, "a=end-of-candidates\r\n")
			assert.Contains(t, fragment, "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n")
			assert.Contains(t, p.answer, "a=ice-lite\r\n")
			for _, other := range []string{"a=ice-options", "a=ice-pacing"} {
				assert.Equal(t, strings.Contains(p.answer, other), strings.Contains(fragment, other), other)
			}
			res, text := p.patch(fragmentOf(p.offer), older)
			isProblem(t, res, text, http.StatusPreconditionFailed)
			older = p.etag
			goOn(t, p.pc, p.answer, fragment)
			p.flows()
			require.Eventually(t, func() bool { return p.pc.ConnectionState() == webrtc.PeerConnectionStateConnected }, patience, time.Millisecond)
		}
		p.alive(t)
	})
}

// A fragment without an m-line is answered with one of the session.
func Test_W20_H17_RestartWithoutSections(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		res, fragment := p.patch("a=ice-ufrag:fresh\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n", "*")
		require.Equal(t, http.StatusOK, res.StatusCode, fragment)
		assert.Regexp(t, `^a=ice-lite\r\nm=(audio|video) 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:`, fragment)
	})
}

func Test_W23_H17_FailedRestart(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		p.flows()
		for _, bad := range []string{"a=ice-ufrag:another\r\n", "a=ice-ufrag:x\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n", "a=ice-ufrag:another\r\na=ice-pwd:short\r\n"} {
			res, body := p.patch(bad, "*")
			isProblem(t, res, body, http.StatusBadRequest)
			assert.Empty(t, res.Header.Get("ETag"))
		}
		p.alive(t)
		p.flows()
		res, body := p.patch(fragmentOf(p.offer), p.etag)
		assert.Equal(t, http.StatusNoContent, res.StatusCode, body)
	})
}

func Test_W23_NoRestartAfterTheEnd(t *testing.T) {
	t.Parallel()
	forBoth(t, func(t *testing.T, p patched) {
		e := p.srv.sessions.find(p.url[len("/whip/s/"):])
		require.NotNil(t, e)
		e.media.Close(ErrLost)
		<-e.media.Done()
		_, err := e.media.RestartICE(lite.Credentials{Ufrag: "them", Password: "a password of twenty-two"})
		require.ErrorIs(t, err, ErrLost)
	})
}
