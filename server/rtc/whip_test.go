package rtc

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
