package web

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// People are sent to the encrypted pages while browsers take the certificate,
// and programs, proxies and this machine are left alone.
func TestPlainPagesLeadToTLS(t *testing.T) {
	t.Parallel()
	trusted := false
	f := newFixture(t, func(c *Config) { c.TLS = TLS{Port: 8443, Trusted: func() bool { return trusted }} })
	page := map[string]string{"Accept": "text/html", "Host": "live.example.org:8080"}
	require.Equal(t, http.StatusOK, f.do(request{path: "/watch/harbour?t=1", header: page}).StatusCode)
	trusted = true
	for name, c := range map[string]struct {
		r    request
		want string
	}{
		"page":           {request{path: "/watch/harbour?t=1", header: page}, "https://live.example.org:8443/watch/harbour?t=1"},
		"two slashes":    {request{path: "//evil.test/", header: page}, "https://live.example.org:8443//evil.test/"},
		"address":        {request{path: "/", header: map[string]string{"Accept": "text/html", "Host": "[2001:db8::1]"}}, "https://[2001:db8::1]:8443/"},
		"program":        {request{path: "/api/v1/streams"}, ""},
		"this machine":   {request{path: "/", from: "127.0.0.1:5", header: page}, ""},
		"behind a proxy": {request{path: "/", header: map[string]string{"Accept": "text/html", "X-Forwarded-Proto": "https"}}, ""},
		"another method": {request{path: "/api/v1/session", method: "DELETE", header: page}, ""},
	} {
		res := f.do(c.r)
		require.Equal(t, c.want, res.Header.Get("Location"), name)
		require.Equal(t, c.want != "", res.StatusCode == http.StatusPermanentRedirect, name)
		require.Empty(t, res.Header.Get("Strict-Transport-Security"), name)
	}
}

// A target that is no path would become a part of the host.
func TestOddTargetsLeadNowhere(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.TLS = TLS{Port: 443, Trusted: func() bool { return true }} })
	for _, target := range []string{"x:@evil.test/", "x:.evil.test/", "x:443@evil.test"} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Host, r.RemoteAddr = "live.example.org", "192.0.2.9:5"
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, r)
		require.NotContains(t, w.Result().Header.Get("Location"), "evil", target)
	}
}

func TestStrictTransportSecurity(t *testing.T) {
	t.Parallel()
	for _, trusted := range []bool{true, false} {
		f := newFixture(t, func(c *Config) { c.TLS = TLS{Port: 443, Trusted: func() bool { return trusted }} })
		r := httptest.NewRequest(http.MethodGet, "/healthz", nil)
		r.TLS = &tls.ConnectionState{}
		w := httptest.NewRecorder()
		f.Handler().ServeHTTP(w, r)
		require.Equal(t, trusted, w.Result().Header.Get("Strict-Transport-Security") != "")
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ host, target, want string }{
		{"live.example.org", "/watch/x?y=%2f", "https://live.example.org/watch/x?y=%2f"},
		{"live.example.org:80", "/", "https://live.example.org/"},
		{"[2001:db8::1]:80", "/", "https://[2001:db8::1]/"},
		{"a b", "/", ""},
		{"x.example", "*", ""},
	} {
		r := httptest.NewRequest(http.MethodOptions, "/", nil)
		r.Host = c.host
		u, err := r.URL.Parse(c.target)
		require.NoError(t, err)
		if r.URL = u; c.target == "*" {
			r.URL.Path = "*"
		}
		w := httptest.NewRecorder()
		Redirect(443).ServeHTTP(w, r)
		require.Equal(t, c.want, w.Result().Header.Get("Location"), c)
		if c.want == "" {
			require.Equal(t, http.StatusBadRequest, w.Code)
		}
	}
}

func TestCertificatePage(t *testing.T) {
	t.Parallel()
	none := newFixture(t)
	for _, accept := range []string{"*/*", "text/html"} {
		text := none.body(t, request{path: "/certificate", header: map[string]string{"Accept": accept}}, http.StatusNotFound)
		require.Contains(t, text, "no self-signed certificate")
	}
	print32 := strings.Repeat("AB:", 31) + "CD"
	f := newFixture(t, func(c *Config) { c.TLS.Fingerprint = func() string { return print32 } })
	text := f.body(t, request{path: "/certificate"}, 200)
	require.Contains(t, text, "  AB:AB:AB:AB:AB:AB:AB:CD\n")
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len(line), 44, "a phone shows it in one line: %s", line)
	}
}

// The authority is answered before anything else looks at its request.
func TestChallenges(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) {
		c.TLS.Challenges = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/.well-known/acme-challenge/x" {
					_, _ = io.WriteString(w, "proof")
					return
				}
				next.ServeHTTP(w, r)
			})
		}
	})
	require.Equal(t, "proof", f.body(t, request{path: "/.well-known/acme-challenge/x"}, 200))
	f.body(t, request{path: "/healthz"}, 200)
}
