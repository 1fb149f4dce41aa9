package web

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-chi/chi/v5"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

const golden = "testdata/routes.golden"

// What a visitor without any credential gets at each address: a new route
// cannot come without somebody looking at this list.
func TestRoutesForAnonymous(t *testing.T) {
	t.Parallel()
	signalling := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	f := newFixture(t, func(c *Config) { c.Media.WHIP, c.Media.WHEP = signalling, signalling })
	var lines []string
	err := chi.Walk(f.handler.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		streams := []string{"harbour", "offline", "a%20b"}
		if strings.HasPrefix(route, "/whip") || strings.HasPrefix(route, "/whep") {
			streams = streams[:1] // their handler looks at the name
		}
		for _, stream := range streams {
			path := strings.NewReplacer("{stream}", stream, "{session}", "abc", "{id}", "p1").Replace(route)
			line := fmt.Sprintf("%-7s %-44s %d", method, path, f.do(request{method: method, path: path}).StatusCode)
			if !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
		return nil
	})
	require.NoError(t, err)
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "look at each difference, then run go test ./server/web -update")
}

func TestEveryAnswerIsProtected(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{"/", "/nope", "/api/v1/session", "/api/v1/nope", "/healthz", "/ws", "/assets/app-1234.js"} {
		h := f.do(request{path: path}).Header
		require.Contains(t, h.Get("Content-Security-Policy"), "default-src 'self'", path)
		require.Contains(t, h.Get("Content-Security-Policy"), "frame-ancestors 'none'", path)
		require.NotContains(t, h.Get("Content-Security-Policy"), "unsafe", path)
		require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), path)
		require.Equal(t, "same-origin", h.Get("Referrer-Policy"), path)
		require.Contains(t, h.Get("Permissions-Policy"), "camera=(self)", path)
	}
}

// The server must know every page that the app's router knows, or people see
// it with a status that says there is none.
func TestPagesOfTheRouter(t *testing.T) {
	t.Parallel()
	router, err := os.ReadFile("../../frontend/src/router.ts")
	require.NoError(t, err)
	var known []string
	for _, m := range regexp.MustCompile(`path === '([^']+)'`).FindAllStringSubmatch(string(router), -1) {
		known = append(known, m[1])
	}
	require.ElementsMatch(t, known, pages())
	f := newFixture(t)
	for _, path := range append(known, "/watch/harbour") {
		res := f.do(request{path: path, header: map[string]string{"Accept": "text/html"}})
		require.Equal(t, http.StatusOK, res.StatusCode, path)
	}
}

func TestUnknownAddresses(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, path := range []string{
		"/nope", "/index.html", "/.keep", "/assets/", "/assets/none.js", "/watch/", "/watch/a/b", "/api", "/api/v2/x", "/..%2f..%2fetc/passwd",
		"/assets/..%2findex.html", "/%00", "/whip/x", "//evil.test/", "/watch",
	} {
		res := f.do(request{path: path})
		require.Equal(t, http.StatusNotFound, res.StatusCode, path)
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), path)
		page := f.do(request{path: path, header: map[string]string{"Accept": "text/html,*/*"}})
		require.Equal(t, http.StatusNotFound, page.StatusCode, path)
		require.Contains(t, page.Header.Get("Content-Type"), "text/html", "a person is shown a page")
	}
	res := f.do(request{method: http.MethodPut, path: "/api/v1/session"})
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	require.Equal(t, "GET, HEAD, POST, DELETE", res.Header.Get("Allow"))
}

func TestHosts(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for host, status := range map[string]int{
		"example.org": 200, "example.org:8080": 200, "[2001:db8::1]:8080": 200, "192.0.2.1": 200, "my_box": 200,
		"a\"b": 400, "a/b": 400, "": 400, "a b:80": 400, "<x>": 400,
	} {
		require.Equal(t, status, f.do(request{path: "/healthz", header: map[string]string{"Host": host}}).StatusCode, "%q", host)
	}
}

// In a bubble time stands still, however slow the machine is.
func TestFloods(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testFloods)
}

func testFloods(t *testing.T) {
	served := 0
	f := newFixture(t, func(c *Config) {
		c.Media.WHIP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { served++ })
	})
	for range joins + 10 {
		f.do(request{method: http.MethodPost, path: "/whip/harbour"})
	}
	require.Equal(t, joins, served)
	res := f.do(request{method: http.MethodPost, path: "/whip/harbour"})
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.NotEmpty(t, res.Header.Get("Retry-After"))
	f.do(request{method: http.MethodDelete, path: "/whip/harbour/abc"})
	require.Equal(t, joins+1, served, "ending a session is not held up")
	f.do(request{method: http.MethodPost, path: "/whip/harbour", from: "203.0.113.8:1"})
	f.do(request{method: http.MethodPost, path: "/whip/harbour", from: loopback})
	require.Equal(t, joins+3, served, "others are not concerned")
	for range calls {
		f.do(request{path: "/api/v1/streams"})
	}
	require.Equal(t, http.StatusTooManyRequests, f.do(request{path: "/api/v1/streams"}).StatusCode)
}

func TestFaultEndsOneRequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) {
		c.Media.WHEP = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
			var none map[string]int
			none["x"] = 1
		})
	})
	require.Contains(t, f.body(t, request{path: "/whep/harbour"}, http.StatusInternalServerError), codeInternal)
	require.EqualValues(t, 1, f.counts.panics.Value())
	f.body(t, request{path: "/healthz"}, http.StatusOK)
}

// A client that asks whether the network is back must not be given a connection
// from before it went away.
func TestHealthKeepsNoConnection(t *testing.T) {
	t.Parallel()
	for _, http2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/2 %v", http2), func(t *testing.T) {
			t.Parallel()
			closed := make(chan struct{}, 1)
			s := httptest.NewUnstartedServer(newFixture(t).Handler())
			s.EnableHTTP2 = http2
			s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateClosed {
					closed <- struct{}{}
				}
			}
			s.StartTLS()
			defer s.Close()
			answer, err := s.Client().Head(s.URL + "/healthz")
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.Equal(t, http2, answer.ProtoMajor == 2)
			<-closed
		})
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Ready = func() bool { return false } })
	f.body(t, request{path: "/healthz"}, http.StatusOK)
	f.body(t, request{path: "/readyz"}, http.StatusServiceUnavailable)
}

func TestMetricsAreNotForEverybody(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin := f.signedIn(t)
	require.NoError(t, f.auth.AddUser(t.Context(), "bob", password, "moderator"))
	bob := cookieFrom(t, f.do(request{method: "POST", path: "/api/v1/session", body: `{"user":"bob","password":"` + password + `"}`}))
	f.cfg.Metrics.GaugeVecFunc("heliograph_test_viewers", "Test.", "stream", func(emit func(string, float64)) { emit(`a"b`, 2) })

	f.body(t, request{path: "/metrics"}, http.StatusUnauthorized)
	f.body(t, request{path: "/metrics", cookie: bob}, http.StatusForbidden)
	f.body(t, request{path: "/metrics", from: loopback, header: map[string]string{"X-Forwarded-For": "198.51.100.1"}}, http.StatusUnauthorized)
	for _, r := range []request{{path: "/metrics", cookie: admin}, {path: "/metrics", from: loopback}, {path: "/metrics", from: "[::1]:99"}} {
		text := f.body(t, r, http.StatusOK)
		require.Contains(t, text, "# TYPE heliograph_http_requests_total counter")
		require.Contains(t, text, `heliograph_test_viewers{stream="a\"b"} 2`)
		require.Contains(t, text, "go_goroutines")
	}
}
