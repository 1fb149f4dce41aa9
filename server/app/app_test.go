package app_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/app"
	"github.com/heliograph/heliograph/server/certs"
	"github.com/heliograph/heliograph/server/config"
)

func TestMain(m *testing.M) {
	remove, err := trustAuthority()
	if err != nil {
		panic(err)
	}
	_ = os.Setenv("PEBBLE_VA_NOSLEEP", "1") // the ACME server of the tests
	_ = os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),          // has no end
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).permit"), // one for each authority, for ever
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),               // sees after 5 s that it may end
		goleak.Cleanup(func(code int) {
			remove()
			os.Exit(code)
		}))
}

// buffer is what a server printed, while it runs.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// live is a running server.
type live struct {
	url  string
	errs *buffer
	logs *buffer
	stop func() error
}

func settings(dir string) config.Settings {
	return config.Settings{Listen: "127.0.0.1:0", Data: dir, Log: "text", ReadyJSON: true}
}

func start(t *testing.T, set config.Settings) *live {
	t.Helper()
	return startWith(t, set, certs.Authority{})
}

// startWith is start with an authority that gives certificates.
func startWith(t *testing.T, set config.Settings, authority certs.Authority) *live {
	t.Helper()
	out, in := io.Pipe()
	l := &live{errs: new(buffer), logs: new(buffer)}
	a, err := app.New(t.Context(), app.Config{
		Settings: set, Authority: authority, Out: in, Err: l.errs, Log: slog.New(slog.NewTextHandler(l.logs, nil)),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- a.Run(ctx)
		_ = in.Close()
	}()
	l.stop = sync.OnceValue(func() error {
		cancel()
		l.client().CloseIdleConnections()
		return <-ended
	})
	t.Cleanup(func() { require.NoError(t, l.stop()) })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var ready struct {
		HTTP string
		PID  int
	}
	require.NoError(t, json.Unmarshal([]byte(line), &ready))
	require.Equal(t, os.Getpid(), ready.PID)
	l.url = ready.HTTP
	return l
}

// client is for the server's pages, with or without TLS.
func (l *live) client() *http.Client { return http.DefaultClient }

func (l *live) get(t *testing.T, path string) (int, string) {
	t.Helper()
	res, err := l.client().Get(l.url + path)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(b)
}

var setUpLink = regexp.MustCompile(`http://\S+/setup\?token=(\S+)`)

func TestFirstStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	l := start(t, settings(dir))
	status, _ := l.get(t, "/readyz")
	require.Equal(t, http.StatusOK, status)
	link := setUpLink.FindStringSubmatch(l.errs.String())
	require.NotNil(t, link, l.errs.String())
	require.True(t, strings.HasPrefix(link[0], l.url))
	require.NotContains(t, l.logs.String(), link[1], "the log holds no secret")

	body := `{"token":"` + link[1] + `","user":"ada","password":"correct horse"}`
	res, err := http.Post(l.url+"/api/v1/setup", "application/json", strings.NewReader(body))
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusCreated, res.StatusCode)
	_, streams := l.get(t, "/api/v1/streams")
	require.JSONEq(t, `{"streams":[]}`, streams)
	require.NoError(t, l.stop())

	again := start(t, settings(dir))
	require.Empty(t, again.errs.String(), "no link once there are users")
	_, session := again.get(t, "/api/v1/session")
	require.Contains(t, session, `"setupNeeded":false`)
}

func TestAdminPassword(t *testing.T) {
	t.Parallel()
	set := settings(t.TempDir())
	set.AdminPassword = "from the environment"
	set.PublicHosts = []config.Host{{Name: "localhost"}}
	set.Open = true
	l := start(t, set)
	require.Empty(t, l.errs.String())
	require.NotContains(t, l.logs.String(), set.AdminPassword)
	require.True(t, strings.HasPrefix(l.url, "http://localhost:"))
	_, session := l.get(t, "/api/v1/session")
	require.JSONEq(t, `{"user":null,"setupNeeded":false,"open":true,"version":"`+app.Version+`"}`, session)
}

// People are sent to the number that the world knows.
func TestPublishedUnderAnotherNumber(t *testing.T) {
	t.Parallel()
	set := settings(t.TempDir())
	set.PublicHosts = []config.Host{{Name: "localhost", Port: 9000}}
	a, err := app.New(t.Context(), app.Config{Settings: set, Out: io.Discard, Err: io.Discard, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Equal(t, "http://localhost:9000", a.URL())
	require.NoError(t, a.Close())
}

func TestFailures(t *testing.T) {
	t.Parallel()
	cfg := app.Config{Settings: settings(t.TempDir()), Out: io.Discard, Err: io.Discard, Log: slog.New(slog.DiscardHandler)}
	first, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	cfg.Settings.Listen = first.Addr().String()
	cfg.Settings.Data = t.TempDir()
	_, err = app.New(t.Context(), cfg)
	require.ErrorContains(t, err, "--listen", "a port in use, and what to do")
	require.NoError(t, first.Close())

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	cfg.Settings.Data = filepath.Join(file, "data")
	_, err = app.New(t.Context(), cfg)
	require.ErrorContains(t, err, "data folder")
}
