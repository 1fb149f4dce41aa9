package rtsp

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// wire is a client that speaks RTSP by hand.
type wire struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
	seq  int
}

func (h *house) wire() *wire {
	h.t.Helper()
	c, err := net.Dial("tcp", h.srv.Addr().String())
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = c.Close() })
	require.NoError(h.t, c.SetDeadline(time.Now().Add(patience)))
	return &wire{t: h.t, conn: c, in: bufio.NewReader(c)}
}

// do sends a request and returns the answer.
func (w *wire) do(method, url string, header base.Header, body string) *base.Response {
	w.t.Helper()
	w.send(method, url, header, body)
	return w.answer()
}

func (w *wire) send(method, url string, header base.Header, body string) {
	w.t.Helper()
	u, err := base.ParseURL(url)
	require.NoError(w.t, err)
	w.seq++
	h := base.Header{"CSeq": {fmt.Sprint(w.seq)}}
	for k, v := range header {
		h[k] = v
	}
	if body != "" {
		h["Content-Type"] = base.HeaderValue{"application/sdp"}
	}
	b, err := base.Request{Method: base.Method(method), URL: u, Header: h, Body: []byte(body)}.Marshal()
	require.NoError(w.t, err)
	_, err = w.conn.Write(b)
	require.NoError(w.t, err)
}

func (w *wire) answer() *base.Response {
	w.t.Helper()
	var res base.Response
	require.NoError(w.t, res.Unmarshal(w.in))
	return &res
}

// closed tells that the server ends the connection.
func (w *wire) closed() {
	w.t.Helper()
	_, err := w.in.ReadByte()
	require.Error(w.t, err)
	require.NotErrorIs(w.t, err, errDeadline)
}

const videoSDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n" +
	"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n"

func basic(user, pass string) base.Header {
	return base.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+pass))}}
}

// nonceOf returns the nonce of a challenge.
func nonceOf(t *testing.T, res *base.Response) string {
	t.Helper()
	for _, v := range res.Header["WWW-Authenticate"] {
		var a headers.Authenticate
		if strings.HasPrefix(v, "Digest") {
			require.NoError(t, a.Unmarshal(base.HeaderValue{v}))
			return a.Nonce
		}
	}
	return ""
}

func digested(nonce, method, url, user, secret string) base.Header {
	response := digest(digest(user+":"+realm+":"+secret) + ":" + nonce + ":" + digest(method+":"+url))
	return base.Header{"Authorization": headers.Authorization{
		Method: headers.AuthMethodDigest, Username: user, Realm: realm, Nonce: nonce, URI: url, Response: response,
	}.Marshal()}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("harbour", true)
	require.NoError(t, h.auth.AddUser(t.Context(), "ada", "correct horse", auth.Publisher))
	token, err := h.auth.NewToken(auth.Publish, "harbour", time.Hour)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		query  string
		header base.Header
		want   base.StatusCode
	}{
		"nothing":            {"", nil, base.StatusUnauthorized},
		"key in the address": {"?key=" + key, nil, base.StatusOK},
		"token there":        {"?token=" + token, nil, base.StatusOK},
		"account there":      {"?user=ada&pass=correct+horse", nil, base.StatusOK},
		"wrong key there":    {"?key=hk_wrong", nil, base.StatusUnauthorized},
		"account":            {"", basic("ada", "correct horse"), base.StatusOK},
		"key for a password": {"", basic("anybody", key), base.StatusOK},
		"token for one":      {"", basic("anybody", token), base.StatusOK},
		"wrong password":     {"", basic("ada", "wrong"), base.StatusUnauthorized},
		"malformed":          {"", base.Header{"Authorization": {"Basic !"}}, base.StatusUnauthorized},
		"unknown scheme":     {"", base.Header{"Authorization": {"Bearer x"}}, base.StatusUnauthorized},
	} {
		t.Run(name, func(t *testing.T) {
			w := h.wire()
			res := w.do("ANNOUNCE", h.url+"/harbour"+c.query, c.header, videoSDP)
			assert.Equal(t, c.want, res.StatusCode, res.StatusMessage)
		})
	}
	assert.Equal(t, base.StatusNotFound, h.wire().do("ANNOUNCE", h.url+"/-", nil, videoSDP).StatusCode)
}

func TestDigest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key, url := h.key("harbour", true), h.url+"/harbour"
	w := h.wire()
	res := w.do("ANNOUNCE", url, nil, videoSDP)
	require.Contains(t, res.StatusMessage, "rtsp://NAME:KEY@HOST:PORT/NAME", "it says how to give a key")
	first := nonceOf(t, res)
	second := nonceOf(t, w.do("ANNOUNCE", url, nil, videoSDP))
	require.NotEmpty(t, first)
	require.NotEqual(t, first, second, "each challenge is new")
	res = w.do("ANNOUNCE", url, digested(first, "ANNOUNCE", url, "cam", key), videoSDP)
	require.Equal(t, base.StatusUnauthorized, res.StatusCode)
	assert.Contains(t, res.Header["WWW-Authenticate"][0], "stale")
	other := h.wire()
	mine := nonceOf(t, w.do("ANNOUNCE", url, nil, videoSDP))
	other.do("ANNOUNCE", url, nil, videoSDP)
	res = other.do("ANNOUNCE", url, digested(mine, "ANNOUNCE", url, "cam", key), videoSDP)
	require.Equal(t, base.StatusUnauthorized, res.StatusCode, "a response holds for its own connection")
	res = w.do("ANNOUNCE", url, digested(mine, "ANNOUNCE", url, "cam", key), videoSDP)
	require.Equal(t, base.StatusOK, res.StatusCode)

	w = h.wire()
	h.key("quay", true)
	h.key("pier", true)
	nonce := nonceOf(t, w.do("ANNOUNCE", h.url+"/quay", nil, videoSDP))
	require.NotEmpty(t, nonce)
	res = w.do("ANNOUNCE", h.url+"/quay", digested(nonce, "ANNOUNCE", h.url+"/quay", "cam", key), videoSDP)
	require.Equal(t, base.StatusUnauthorized, res.StatusCode, "another stream's key")
	require.Contains(t, res.StatusMessage, "If this is an account's password, try again now.")
	require.Empty(t, nonceOf(t, res), "Digest is not offered after it has failed")
	nonce = nonceOf(t, h.wire().do("ANNOUNCE", h.url+"/pier", nil, videoSDP))
	res = h.wire().do("ANNOUNCE", h.url+"/pier", digested(nonce, "ANNOUNCE", url, "cam", key), videoSDP)
	require.Equal(t, base.StatusUnauthorized, res.StatusCode, "made for another address")
}

func TestGuessingEndsTheConnection(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	h.key("harbour", true)
	w := h.wire()
	for range maxFailures {
		res := w.do("DESCRIBE", h.url+"/harbour?key=hk_wrong", nil, "")
		require.Equal(t, base.StatusUnauthorized, res.StatusCode)
	}
	w.closed()
	assert.Equal(t, 1, h.log.count("rtsp refused"), "logged once")
	assert.Zero(t, h.log.count("hk_wrong"))
}

// ffmpeg takes Digest where it is offered.
func TestToolsSignIn(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("harbour", true)
	require.NoError(t, h.auth.AddUser(t.Context(), "ada", "correct horse", auth.Publisher))
	at := func(url, user, pass string) string {
		return strings.Replace(url, "://", "://"+user+":"+strings.ReplaceAll(pass, " ", "%20")+"@", 1) + "/harbour"
	}
	p := publish(t, at(h.url, "ada", "correct horse"), "tcp", picture, h264)
	require.Error(t, p.wait(t), "ffmpeg takes Digest, which an account cannot do")
	p = publish(t, at(h.url, "ada", "correct horse"), "tcp", picture, h264)
	h.live("harbour", 1)
	h.end(p, "harbour")
	p = publish(t, strings.TrimSuffix(at(h.url, "ada", "correct horse"), "harbour")+"keyless", "tcp", picture, h264)
	h.live("keyless", 1)
	h.end(p, "keyless")
	h.srv.basics.until = map[string]time.Time{}
	p = publish(t, at(h.url, "cam", key), "udp", picture, h264)
	h.live("harbour", 1)
	require.NoError(t, decode(t, at(h.url, "cam", key), "tcp", 5).wait(t))
	player := decode(t, at(h.url, "cam", "hk_wrong"), "tcp", 5)
	require.Error(t, player.wait(t))
	assert.Contains(t, player.out.text.String(), "401")
	h.end(p, "harbour")
	p = publish(t, at(h.tls, "ada", "correct horse"), "tcp", picture, h264)
	h.live("harbour", 1)
	h.end(p, "harbour")
}
