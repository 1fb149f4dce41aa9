package rtmp

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/store"
)

// patience bounds every wait of the tests; nothing is expected to take long.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines is a log that can be looked at.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// house is a whole server on loopback.
type house struct {
	t    *testing.T
	hub  *hub.Hub
	auth *auth.Service
	srv  *Server
	log  *lines
	url  string // rtmp://127.0.0.1:port/live
	tls  string // rtmps://...
	stop func()
}

func newHouse(t *testing.T, open bool) *house {
	t.Helper()
	h := &house{t: t, log: &lines{}}
	log := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.hub = hub.New(hub.Config{Grace: time.Second, Log: log})
	db, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h.auth, err = auth.New(t.Context(), auth.Config{Storage: db, Open: open})
	require.NoError(t, err)
	h.srv, err = New(Config{
		Listen: "127.0.0.1:0", TLSListen: "127.0.0.1:0", TLS: certificate(t),
		Hub: h.hub, Checker: h.auth, Log: log,
	})
	require.NoError(t, err)
	h.url, h.tls = "rtmp://"+h.srv.Addr().String()+"/live", "rtmps://"+h.srv.TLSAddr().String()+"/live"
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{h.hub.Run, h.srv.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	h.stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
	})
	t.Cleanup(func() {
		h.stop()
		if t.Failed() {
			t.Log(h.log.text.String())
		}
	})
	return h
}

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (h *house) key(stream string, private bool) string {
	h.t.Helper()
	k, err := h.auth.NewKey(h.t.Context(), stream, &private)
	require.NoError(h.t, err)
	return k
}

// live waits until a stream has so many tracks that something has come of.
func (h *house) live(stream string, tracks int) hub.Info {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		i := h.hub.Info(stream)
		return i.State == hub.Live && len(i.Tracks) == tracks
	}, patience, 5*time.Millisecond, "the stream %s does not come", stream)
	return h.hub.Info(stream)
}

// counter counts what a sink gets.
type counter struct {
	mu        sync.Mutex
	frames    int
	keyframes int
	last      uint32
	odd       int // steps of the timestamp that are not the usual one
	step      uint32
	units     [][]byte
	reason    error
}

func (c *counter) WriteFrame(f *media.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if step := f.Timestamp - c.last; c.frames > 1 && step != c.step {
		c.odd++
	} else {
		c.step = step
	}
	c.frames, c.last, c.units = c.frames+1, f.Timestamp, f.Units
	if f.Keyframe {
		c.keyframes++
	}
}

func (c *counter) Close(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reason = reason
}

func (c *counter) seen(f func(*counter) bool) func() bool {
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return f(c)
	}
}

// frames counts those of a track.
func (h *house) frames(stream string, k media.Kind) *counter {
	h.t.Helper()
	c := &counter{}
	detach, err := h.track(stream, k).AttachFrames(c)
	require.NoError(h.t, err)
	h.t.Cleanup(detach)
	return c
}

// track waits for a track of a stream.
func (h *house) track(stream string, k media.Kind) *hub.Track {
	h.t.Helper()
	sub, err := h.hub.Watch(h.t.Context(), auth.System(auth.Watch, stream))
	require.NoError(h.t, err)
	h.t.Cleanup(func() { sub.Close(hub.ErrEnded) })
	var t *hub.Track
	require.Eventually(h.t, func() bool { t = sub.Stream().Track(k); return t != nil }, patience, time.Millisecond)
	return t
}

// tool is a program that runs beside the test.
type tool struct {
	cmd  *exec.Cmd
	out  *lines
	done chan error
}

// program starts a program that speaks to the server; without it on the machine
// the test is skipped.
func program(t *testing.T, name string, args ...string) *tool {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not on this machine", name)
	}
	p := &tool{cmd: exec.Command(path, args...), out: &lines{}, done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	require.NoError(t, p.cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.done <- p.cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("%s says: %s", name, p.out.text.String())
		}
	})
	return p
}

// wait returns how the program ended.
func (p *tool) wait(t *testing.T) error {

	t.Helper()
	select {
	case err := <-p.done:
		return err
	case <-time.After(patience):
		require.Fail(t, "the program does not end", p.out.text.String())
		return nil
	}
}

// ffmpeg's inputs and codecs.
var (
	picture = []string{"-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"}
	sound   = []string{"-re", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"}
	x264    = []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "500k"}
)

// publish sends by ffmpeg.
func publish(t *testing.T, url string, args ...[]string) *tool {
	t.Helper()
	line := []string{"-hide_banner", "-loglevel", "warning", "-nostdin"}
	for _, a := range args {
		line = append(line, a...)
	}
	return program(t, "ffmpeg", append(line, "-f", "flv", url)...)
}

// decode plays some frames by ffmpeg and decodes them, with the times that were
// sent: those of what came before the player are 2 ms apart.
func decode(t *testing.T, url string, frames int, args ...string) *tool {
	t.Helper()
	line := []string{"-hide_banner", "-loglevel", "info", "-nostdin", "-analyzeduration", "500000", "-i", url}
	return program(t, "ffmpeg", append(append(line, args...), "-frames:v", fmt.Sprint(frames), "-enc_time_base", "-1", "-f", "null", "-")...)
}

// interrupt has ffmpeg end its stream as it should.
const interrupt = syscall.SIGINT
