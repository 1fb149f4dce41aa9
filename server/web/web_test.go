package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/store"
)

const (
	password = "correct horse"
	outside  = "203.0.113.7:4000"
	loopback = "127.0.0.1:4000"
)

// fixture is a door on a database of its own.
type fixture struct {
	*Server
	auth    *auth.Service
	streams *shelf
}

// shelf is a fixed list of streams.
type shelf struct {
	list    []hub.Info
	posters map[string][]byte
}

func (s *shelf) List() []hub.Info { return s.list }

func (s *shelf) Info(name string) hub.Info {
	for _, i := range s.list {
		if i.Name == name {
			return i
		}
	}
	return hub.Info{Name: name, State: hub.Offline}
}

func (s *shelf) Poster(name string) ([]byte, int) { return s.posters[name], 3 }

func app() fstest.MapFS {
	return fstest.MapFS{
		"index.html":         {Data: []byte("<!doctype html><title>the app</title>")},
		"assets/app-1234.js": {Data: []byte(strings.Repeat("console.log('hello');\n", 200))},
		"assets/small.css":   {Data: []byte("a{}")},
		"favicon.svg":        {Data: []byte("<svg/>")},
		".keep":              {},
	}
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	db, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	a, err := auth.New(t.Context(), auth.Config{Storage: db})
	require.NoError(t, err)
	streams := &shelf{
		list: []hub.Info{
			{Name: "harbour", Title: "Harbour at dawn", State: "live", Viewers: 2, Tracks: []hub.TrackInfo{{Kind: "video", Codec: "VP8"}}},
			{Name: "secret", State: "live", Tracks: []hub.TrackInfo{}},
		},
		posters: map[string][]byte{"harbour": []byte("\xff\xd8harbour"), "secret": []byte("\xff\xd8secret")},
	}
	cfg := Config{
		Auth: a, Streams: streams, App: app(), Version: "0.1.0",
		Ready: func() bool { return true }, Metrics: metric.New(), Log: slog.New(slog.DiscardHandler),
		Remote: newManagers().door(),
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	require.NoError(t, err)
	return &fixture{Server: s, auth: a, streams: streams}
}

// request is one call of the door without a network.
type request struct {
	method, path, from, body string
	header                   map[string]string
	cookie                   *http.Cookie
}

func (f *fixture) do(r request) *http.Response {
	if r.method == "" {
		r.method = http.MethodGet
	}
	if r.from == "" {
		r.from = outside
	}
	req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
	req.RemoteAddr = r.from
	for k, v := range r.header {
		if k == "Host" {
			req.Host = v
		}
		req.Header.Set(k, v)
	}
	if r.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.cookie != nil {
		req.AddCookie(r.cookie)
	}
	w := httptest.NewRecorder()
	f.Handler().ServeHTTP(w, req)
	return w.Result()
}

func (f *fixture) body(t *testing.T, r request, status int) string {
	t.Helper()
	res := f.do(r)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, status, res.StatusCode, string(b))
	return string(b)
}

// signedIn makes the first user, an admin, and returns his cookie.
func (f *fixture) signedIn(t *testing.T) *http.Cookie {
	t.Helper()
	token, err := f.auth.BeginSetUp(t.Context())
	require.NoError(t, err)
	session, _, err := f.auth.SetUp(t.Context(), token, "ada", password, remote(httptest.NewRequest("GET", "/", nil)).Addr())
	require.NoError(t, err)
	return &http.Cookie{Name: cookieName, Value: session}
}
