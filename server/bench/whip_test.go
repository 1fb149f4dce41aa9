package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOffer(t *testing.T) {
	t.Parallel()
	var deleted string
	mux := http.NewServeMux()
	mux.HandleFunc("POST /a/{how}", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		assert.Equal(t, "v=0 offer", string(body))
		assert.Equal(t, "application/sdp", r.Header.Get("Content-Type"))
		assert.Equal(t, "Bearer k", r.Header.Get("Authorization"))
		switch r.PathValue("how") {
		case "redirect":
			http.Redirect(w, r, "/a/relative", http.StatusTemporaryRedirect)
		case "relative":
			w.Header().Set("Location", "../s/1?x=2")
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "v=0 answer")
		case "nowhere":
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "v=0 answer")
		case "html":
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "<html>")
		case "ok":
			_, _ = io.WriteString(w, "v=0 answer")
		case "busy":
			http.Error(w, "too\x1b[31m many\nmore", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("DELETE /s/1", func(_ http.ResponseWriter, r *http.Request) {
		deleted = r.URL.RawQuery + r.Header.Get("Authorization")
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	client := newHTTPClient()
	defer client.CloseIdleConnections()
	for how, c := range map[string]struct{ location, err string }{
		"relative": {"/s/1?x=2", ""},
		"redirect": {"/s/1?x=2", ""},
		"nowhere":  {"", ""},
		"html":     {"", "201 without an SDP: <html>"},
		"ok":       {"", "the server answered 200 OK"},
		"busy":     {"", "the server answered 503 Service Unavailable: too[31m many"},
	} {
		answer, res, err := offer(t.Context(), client, Endpoint{URL: server.URL + "/a/" + how, Token: "k"}, "v=0 offer")
		if c.err != "" {
			require.ErrorContains(t, err, c.err, how)
			assert.NotContains(t, err.Error(), "more")
			continue
		}
		require.NoError(t, err, how)
		assert.Equal(t, "v=0 answer", answer)
		assert.Equal(t, c.location, strings.TrimPrefix(res.location, server.URL), how)
		res.remove(t.Context(), client)
	}
	assert.Equal(t, "x=2Bearer k", deleted)
}

func TestOfferNamesNoURL(t *testing.T) {
	t.Parallel()
	client := newHTTPClient()
	_, _, err := offer(t.Context(), client, Endpoint{URL: "http://127.0.0.1:1/whip?key=secret"}, "v=0")
	require.Error(t, err)
	assert.NotContains(t, err.Error(), "secret")
	assert.Equal(t, "http://h:1/whip", plainURL("http://user:pw@h:1/whip?key=secret#x"))
}
