package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestPages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/", "/watch/harbour", "/watch/never.heard~of-1", "/studio", "/sources", "/signin", "/setup?token=x"} {
		res := f.do(request{path: path})
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Equal(t, cacheAsk, res.Header.Get("Cache-Control"), path)
		again := f.do(request{path: path, header: map[string]string{"If-None-Match": res.Header.Get("ETag")}})
		require.Equal(t, http.StatusNotModified, again.StatusCode, path)
	}
	require.Contains(t, f.body(t, request{path: "/watch/a%20b"}, http.StatusBadRequest), "1 to 64")
	page := f.body(t, request{path: "/watch/a%20b", header: map[string]string{"Accept": "text/html"}}, http.StatusBadRequest)
	require.Contains(t, page, "the app")
	require.Equal(t, http.StatusOK, f.do(request{method: http.MethodHead, path: "/"}).StatusCode)
}

// Who types a slash too many gets the page, and who asks for the icon where it
// used to be gets that.
func TestRedirects(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for from, to := range map[string]string{
		"/studio/": "/studio", "/check/": "/check", "/watch/harbour/": "/watch/harbour", "/watch/a%2Fb/": "/watch/a%2Fb",
		"/setup/?token=a%26b": "/setup?token=a%26b", "/favicon.ico": "/favicon.svg",
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			res := f.do(request{method: method, path: from})
			require.Equal(t, http.StatusPermanentRedirect, res.StatusCode, from)
			require.Equal(t, to, res.Header.Get("Location"), from)
		}
	}
	for _, path := range []string{"/studio//", "//studio/", "/watch/", "//example.com/", "/watch/harbour//", "/api/v1/streams/"} {
		require.Equal(t, http.StatusNotFound, f.do(request{path: path}).StatusCode, path)
	}
}

func TestFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	plain := f.do(request{path: "/assets/app-1234.js"})
	require.Equal(t, cacheForever, plain.Header.Get("Cache-Control"))
	require.Equal(t, "text/javascript; charset=utf-8", plain.Header.Get("Content-Type"))
	require.Empty(t, plain.Header.Get("Content-Encoding"))
	want, err := io.ReadAll(plain.Body)
	require.NoError(t, err)

	zipped := f.do(request{path: "/assets/app-1234.js", header: map[string]string{"Accept-Encoding": "br, gzip"}})
	require.Equal(t, "gzip", zipped.Header.Get("Content-Encoding"))
	require.Equal(t, "Accept-Encoding", zipped.Header.Get("Vary"))
	require.NotEqual(t, plain.Header.Get("ETag"), zipped.Header.Get("ETag"))
	z, err := gzip.NewReader(zipped.Body)
	require.NoError(t, err)
	got, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, want, got)

	small := f.do(request{path: "/assets/small.css", header: map[string]string{"Accept-Encoding": "gzip"}})
	require.Empty(t, small.Header.Get("Content-Encoding"), "compressing it gains nothing")
	require.Equal(t, cacheAsk, f.do(request{path: "/favicon.svg"}).Header.Get("Cache-Control"))
}

func TestAcceptsGzip(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, GZIP": true, "gzip;q=0": false, "gzip; q=0.0": false, "gzip;q=0.5": true, "gzip;q=1": true, "br": false, "xgzip": false,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		require.NoError(t, err)
		r.Header.Set("Accept-Encoding", header)
		require.Equal(t, want, acceptsGzip(r), "%q", header)
	}
}

func TestAppThatWasNotBuilt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.App = fstest.MapFS{".keep": {}} })
	require.Contains(t, f.body(t, request{path: "/"}, http.StatusServiceUnavailable), "npm run build")
	f.body(t, request{path: "/api/v1/streams"}, http.StatusOK)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	_, err := New(Config{})
	require.ErrorIs(t, err, ErrConfig)
}
