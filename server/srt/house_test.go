package srt

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of the tests.
const waitAtMost = 10 * time.Second

// logBook keeps what is logged.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a server on a loopback port with a hub behind it.
type house struct {
	t    *testing.T
	hub  *hub.Hub
	auth *auth.Service
	srv  *Server
	log  *logBook
	stop func()
}

func newHouse(t *testing.T, open bool, passphrase string, change ...func(*Server)) *house {
	t.Helper()
	h := &house{t: t, log: &logBook{}, hub: hub.New(hub.Config{Grace: time.Second})}
	db, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h.auth, err = auth.New(t.Context(), auth.Config{Storage: db, Open: open})
	require.NoError(t, err)
	h.srv, err = New(Config{
		Listen: "127.0.0.1:0", Passphrase: passphrase, Hub: h.hub, Checker: h.auth, Log: slog.New(slog.NewTextHandler(h.log, nil)),
	})
	require.NoError(t, err)
	for _, c := range change {
		c(h.srv)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = h.hub.Run(ctx) })
	failed := make(chan error, 1)
	parts.Go(func() { failed <- h.srv.Run(ctx) })
	h.stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
		require.NoError(t, <-failed)
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Log(h.log)
		}
	})
	return h
}

func (h *house) key(stream string) string {
	h.t.Helper()
	k, err := h.auth.NewKey(h.t.Context(), stream, nil)
	require.NoError(h.t, err)
	return k
}

// logged waits until a line with all the words is in the log.
func (h *house) logged(words ...string) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		for line := range strings.SplitSeq(h.log.String(), "\n") {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return true
			}
		}
		return false
	}, waitAtMost, 5*time.Millisecond, "%v", words)
}

// connect calls the server.
func (h *house) connect(streamID, passphrase string) (*caller, error) {
	return connect(h.t.Context(), call{
		dial: (&net.Dialer{}).DialContext, address: h.srv.Addr(), streamID: streamID, passphrase: passphrase, latency: 20 * time.Millisecond,
	})
}

// caller is a connection that lives until hangUp or the end of the test.
func (h *house) caller(streamID, passphrase string) (x *caller, hangUp func()) {
	h.t.Helper()
	x, err := h.connect(streamID, passphrase)
	require.NoError(h.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = x.run(ctx) }()
	hangUp = sync.OnceFunc(func() { cancel(); <-done })
	h.t.Cleanup(hangUp)
	return x, hangUp
}

// live waits until a stream is live with as many tracks.
func (h *house) live(stream string, tracks int) hub.Info {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		i := h.hub.Info(stream)
		return i.State == hub.Live && len(i.Tracks) == tracks
	}, waitAtMost, 5*time.Millisecond)
	return h.hub.Info(stream)
}

// tool finds a program or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("programs of others take seconds")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(name + " is not installed")
	}
	return path
}

// ffmpeg finds an ffmpeg that speaks SRT or skips the test.
func ffmpeg(t *testing.T) string {
	t.Helper()
	path := tool(t, "ffmpeg")
	out, _ := exec.Command(path, "-hide_banner", "-protocols").Output()
	if !bytes.Contains(out, []byte(" srt")) {
		t.Skip("this ffmpeg has no SRT")
	}
	return path
}

// start runs a program until the test ends and returns what it prints.
func start(t *testing.T, path string, args ...string) (out *logBook, wait func() error) {
	t.Helper()
	out = &logBook{}
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	done := make(chan struct{})
	var err error
	go func() { defer close(done); err = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		if t.Failed() {
			t.Log(path, strings.Join(args, " "), out)
		}
	})
	return out, func() error {
		select {
		case <-done:
			return err
		case <-time.After(2 * waitAtMost):
			t.Error("the program does not end")
			return nil
		}
	}
}

// freeAddress is a UDP address that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	return c.LocalAddr().String()
}
