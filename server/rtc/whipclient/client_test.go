package whipclient

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc"
	"github.com/heliograph/heliograph/server/rtc/egress"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const waitAtMost = 10 * time.Second

// checker lets in whoever has the token "good"; an open one everybody.
type checker struct{ open bool }

func (c checker) Check(_ context.Context, r auth.Request) (auth.Grant, error) {
	if !c.open && r.Token != "good" {
		return auth.Grant{}, auth.ErrUnauthenticated
	}
	return auth.System(r.Action, r.Stream), nil
}

// server is a WHIP server of our own on loopback.
func server(t *testing.T, c checker) (*hub.Hub, string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := hub.New(hub.Config{})
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	out, err := egress.New(egress.Config{Port: p})
	require.NoError(t, err)
	s, err := rtc.New(rtc.Config{Hub: h, Checker: c, Port: p, Egress: out})
	require.NoError(t, err)
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{p.Run, out.Run, h.Run, s.Run} {
		parts.Go(func() { _ = run(ctx) })
	}
	mux := http.NewServeMux()
	mux.Handle("/whip/", s.WHIP())
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		web.Close()
		cancel()
		parts.Wait()
	})
	return h, web.URL
}

// source writes a stream to a hub of its own and counts wishes for keyframes.
type source struct{ wishes atomic.Int32 }

func (s *source) RequestKeyframe(*hub.Track, int) { s.wishes.Add(1) }
func (s *source) Close(error)                     {}

// studio is a hub with the stream "film", fed until end is called.
func studio(t *testing.T, tracks map[media.Kind]media.Codec, frame func(media.Kind, int) media.Frame) (open func() (*hub.Subscription, error), src *source, end func(error)) {
	t.Helper()
	h, src := hub.New(hub.Config{}), &source{}
	p, err := h.Publish(auth.System(auth.Publish, "film"), src, hub.Options{Proto: "test"})
	require.NoError(t, err)
	inputs := map[media.Kind]*hub.Input{}
	for k, c := range tracks {
		inputs[k], err = p.AddTrack(k, c)
		require.NoError(t, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for i := 0; p.Reason() == nil; i++ {
			<-tick.C
			for k, in := range inputs {
				f := frame(k, i)
				if f.Units != nil {
					_ = in.WriteFrame(f, time.Now())
				}
			}
		}
	}()
	end = func(reason error) { p.Close(reason); <-done }
	t.Cleanup(func() { end(hub.ErrEnded) })
	open = func() (*hub.Subscription, error) {
		return h.Watch(context.Background(), auth.System(auth.Watch, "film"))
	}
	return open, src, end
}

func h264opus() map[media.Kind]media.Codec {
	return map[media.Kind]media.Codec{
		media.Video: media.H264Codec([]byte{0x67, 0x42, 0xc0, 0x1e, 0xd9}, []byte{0x68, 0xee}),
		media.Audio: {Name: media.Opus, ClockRate: 48_000, Channels: 2},
	}
}

func frames(k media.Kind, i int) media.Frame {
	if k == media.Audio {
		return media.Frame{Timestamp: uint32(480 * i), Units: [][]byte{{0xfc, byte(i), 1}}, Keyframe: true}
	}
	f := media.Frame{Timestamp: uint32(900 * i), Units: [][]byte{{0x41, byte(i), 2, 3}}}
	if i%20 == 0 {
		f.Keyframe, f.Units = true, [][]byte{{0x67, 0x42, 0xc0, 0x1e, 0xd9}, {0x68, 0xee}, append([]byte{0x65}, make([]byte, 5000)...)}
	}
	return f
}

// taker counts the frames that arrive at the other server.
type taker struct {
	n, keys atomic.Int32
}

func (k *taker) WriteFrame(f *media.Frame) {
	k.n.Add(1)
	if f.Keyframe && len(f.Units[len(f.Units)-1]) == 5001 {
		k.keys.Add(1)
	}
}
func (k *taker) Close(error) {}

func TestSend(t *testing.T) {
	t.Parallel()
	other, address := server(t, checker{})
	open, src, end := studio(t, h264opus(), frames)
	target, err := url.Parse(strings.Replace(address, "http://", "whip://good@", 1) + "/whip/copy")
	require.NoError(t, err)
	reason, bytes := make(chan error, 1), atomic.Int64{}
	go func() {
		reason <- Client{}.Send(context.Background(), target, open, func(n int) { bytes.Add(int64(n)) })
	}()
	require.Eventually(t, func() bool { return len(other.Info("copy").Tracks) == 2 }, waitAtMost, 5*time.Millisecond)
	sub, err := other.Watch(t.Context(), auth.System(auth.Watch, "copy"))
	require.NoError(t, err)
	video, audio := &taker{}, &taker{}
	for k, sink := range map[media.Kind]*taker{media.Video: video, media.Audio: audio} {
		_, err := sub.Stream().Track(k).AttachFrames(sink)
		require.NoError(t, err)
	}
	require.Eventually(t, func() bool { return video.keys.Load() > 2 && audio.n.Load() > 40 }, waitAtMost, 5*time.Millisecond)
	require.Positive(t, bytes.Load())
	before := src.wishes.Load()
	require.Eventually(t, func() bool {
		// Again and again: the sink has just asked by being attached, and one
		// wish that has to wait for that is met by the film's next keyframe.
		sub.Stream().Track(media.Video).RequestKeyframe(0)
		return src.wishes.Load() > before
	}, waitAtMost, 5*time.Millisecond, "a wish for a keyframe gets through")

	end(hub.ErrEnded)
	require.ErrorIs(t, <-reason, hub.ErrEnded)
	require.Eventually(t, func() bool { return other.Info("copy").State == hub.Offline }, waitAtMost, 5*time.Millisecond,
		"the session is ended, not lost")
}

func TestSendStops(t *testing.T) {
	t.Parallel()
	other, address := server(t, checker{open: true})
	open, _, _ := studio(t, h264opus(), frames)
	target, err := url.Parse(address + "/whip/copy")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	reason := make(chan error, 1)
	go func() { reason <- Client{}.Send(ctx, target, open, func(int) {}) }()
	require.Eventually(t, func() bool { return len(other.Info("copy").Tracks) == 2 }, waitAtMost, 5*time.Millisecond)
	cancel()
	require.NoError(t, <-reason, "what is stopped did not fail")
}

func TestSendWhenTheCodecChanges(t *testing.T) {
	t.Parallel()
	other, address := server(t, checker{open: true})
	h := hub.New(hub.Config{})
	p, err := h.Publish(auth.System(auth.Publish, "film"), &source{}, hub.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(hub.ErrEnded) })
	in, err := p.AddTrack(media.Video, h264opus()[media.Video])
	require.NoError(t, err)
	require.NoError(t, in.WriteFrame(frames(media.Video, 0), time.Now()))
	target, err := url.Parse(address + "/whip/copy")
	require.NoError(t, err)
	reason := make(chan error, 1)
	go func() {
		reason <- Client{}.Send(context.Background(), target, func() (*hub.Subscription, error) {
			return h.Watch(context.Background(), auth.System(auth.Watch, "film"))
		}, func(int) {})
	}()
	require.Eventually(t, func() bool { return len(other.Info("copy").Tracks) == 1 }, waitAtMost, 5*time.Millisecond)
	_, err = p.AddTrack(media.Video, media.Codec{Name: media.VP8, ClockRate: 90_000})
	require.NoError(t, err)
	require.ErrorIs(t, <-reason, errChanged)
}

// B-frames show when the first of them comes, maybe after the publication began.
func TestSendWhenBFramesCome(t *testing.T) {
	t.Parallel()
	other, address := server(t, checker{open: true})
	h := hub.New(hub.Config{})
	p, err := h.Publish(auth.System(auth.Publish, "film"), &source{}, hub.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(hub.ErrEnded) })
	in, err := p.AddTrack(media.Video, h264opus()[media.Video])
	require.NoError(t, err)
	require.NoError(t, in.WriteFrame(frames(media.Video, 0), time.Now()))
	target, err := url.Parse(address + "/whip/copy")
	require.NoError(t, err)
	reason := make(chan error, 1)
	send := func() {
		reason <- Client{}.Send(context.Background(), target, func() (*hub.Subscription, error) {
			return h.Watch(context.Background(), auth.System(auth.Watch, "film"))
		}, func(int) {})
	}
	go send()
	require.Eventually(t, func() bool { return len(other.Info("copy").Tracks) == 1 }, waitAtMost, 5*time.Millisecond)
	require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 6000, Units: [][]byte{{0x41, 0x9a, 2}}}, time.Now()))
	require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 3000, Units: [][]byte{{0x01, 0x9e, 2}}}, time.Now()))
	require.ErrorIs(t, <-reason, errChanged)
	go send()
	require.ErrorContains(t, <-reason, "B-frames", "and then it says why")
}

func TestSendExplains(t *testing.T) {
	t.Parallel()
	_, address := server(t, checker{})
	open, _, _ := studio(t, h264opus(), frames)
	aac, _, _ := studio(t, map[media.Kind]media.Codec{media.Audio: {Name: media.AAC, ClockRate: 48_000, Channels: 2}}, func(media.Kind, int) media.Frame { return media.Frame{} })
	strange := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/plain":
			http.Error(w, "no more\nroom for "+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), http.StatusServiceUnavailable)
		case "/html":
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusCreated)
		case "/rubbish":
			w.Header().Set("Content-Type", typeSDP)
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, "rubbish")
		case "/endless":
			http.Redirect(w, r, "/endless", http.StatusTemporaryRedirect)
		case "/long":
			_, _ = w.Write(make([]byte, maxAnswer+1))
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(strange.Close)
	for name, c := range map[string]struct {
		target string
		open   func() (*hub.Subscription, error)
		want   string
	}{
		"scheme":      {"ftp://example.org/", open, "http, https, whip or whips"},
		"wrong token": {strings.Replace(address, "//", "//:hunter2@", 1) + "/whip/copy", open, "status 401 (the token or key is missing or wrong): This needs a stream key"},
		"no endpoint": {strange.URL + "/x", open, "not that of a WHIP endpoint"},
		"words":       {strange.URL + "/plain?token=hunter2", open, "status 503 (it has too much to do): no more room for •••"},
		"html":        {strange.URL + "/html", open, "no SDP"},
		"rubbish":     {strange.URL + "/rubbish", open, "cannot be used"},
		"redirects":   {strange.URL + "/endless", open, "again and again"},
		"long":        {strange.URL + "/long", open, "far too long"},
		"nobody":      {"http://127.0.0.1:1/hunter2", open, "cannot be reached"},
		"not live":    {address, func() (*hub.Subscription, error) { return nil, hub.ErrNotLive }, hub.ErrNotLive.Error()},
		"aac":         {address, aac, "which WebRTC cannot carry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			target, err := url.Parse(c.target)
			require.NoError(t, err)
			err = Client{}.Send(t.Context(), target, c.open, func(int) {})
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

// Addresses for media that are not allowed are not talked to.
func TestAllow(t *testing.T) {
	t.Parallel()
	asked := atomic.Int32{}
	c := Client{Allow: func(netip.Addr) error { asked.Add(1); return errors.New("no") }}
	_, address := server(t, checker{open: true})
	open, _, end := studio(t, h264opus(), frames)
	target, err := url.Parse(address + "/whip/copy")
	require.NoError(t, err)
	reason := make(chan error, 1)
	go func() { reason <- c.Send(context.Background(), target, open, func(int) {}) }()
	require.Eventually(t, func() bool { return asked.Load() > 0 }, waitAtMost, 5*time.Millisecond)
	end(hub.ErrEnded)
	require.ErrorIs(t, <-reason, hub.ErrEnded)
}
