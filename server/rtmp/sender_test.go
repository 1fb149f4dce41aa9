package rtmp

import (
	"context"
	"crypto/tls"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// push sends a stream of one house to an address.
func push(t *testing.T, h *house, stream, to string) (sent *atomic.Int64, ended <-chan error, stop func()) {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	sent = &atomic.Int64{}
	sent.Store(-1)
	done := make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		s := &Sender{TLS: &tls.Config{InsecureSkipVerify: true}}
		done <- s.Send(ctx, target, func() (*hub.Subscription, error) {
			return h.hub.Watch(ctx, auth.System(auth.Watch, stream))
		}, func(n int) {
			sent.CompareAndSwap(-1, 0)
			sent.Add(int64(n))
		})
	}()
	t.Cleanup(func() { cancel(); <-gone })
	return sent, done, cancel
}

func TestSender(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, true), newHouse(t, false)
	key := to.key("quay", false)
	publish(t, from.url+"/harbour", picture, sound, x264, []string{"-c:a", "aac"})
	from.live("harbour", 2)
	for name, address := range map[string]string{
		"key":             to.url + "/quay?key=" + key,
		"RTMPS":           to.tls + "/quay?key=" + key,
		"challenge":       strings.Replace(strings.Replace(to.url, "rtmp://", "rtmp://ada:"+key+"@", 1), "/live", "/auth", 1) + "/quay",
		"all in the path": to.url + "/quay?token=" + key,
	} {
		sent, ended, stop := push(t, from, "harbour", address)
		to.live("quay", 2)
		frames := to.frames("quay", media.Video)
		require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 0 && c.frames > 20 }), patience, time.Millisecond, name)
		require.Greater(t, sent.Load(), int64(1000), name)
		stop()
		require.NoError(t, <-ended, name)
		require.Eventually(t, func() bool { return to.hub.Info("quay").State == hub.Offline }, patience, time.Millisecond, name)
	}
}

func TestSenderIsRefused(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, true), newHouse(t, false)
	from.stand(media.H264)
	key := to.key("quay", false)
	for name, c := range map[string]struct{ address, says string }{
		"no key":     {to.url + "/quay", "A key is missing"},
		"wrong key":  {to.url + "/quay?key=hk_wrong", "is wrong for this stream"},
		"no user":    {strings.Replace(to.url, "/live", "/auth", 1) + "/quay", "wants a user and a password"},
		"wrong pass": {strings.Replace(strings.Replace(to.url, "rtmp://", "rtmp://ada:nonsense@", 1), "/live", "/auth", 1) + "/quay", "is wrong for this stream"},
		"nobody":     {"rtmp://127.0.0.1:1/live/quay?key=" + key, "connection refused"},
	} {
		_, ended, _ := push(t, from, "harbour", c.address)
		err := <-ended
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "hk_", name)
	}
	_, ended, _ := push(t, from, "nothing", to.url+"/quay?key="+key)
	require.ErrorIs(t, <-ended, hub.ErrNotLive)
}

// idle is a source that is asked for nothing.
type idle struct{}

func (idle) RequestKeyframe(*hub.Track, int) {}
func (idle) Close(error)                     {}

// stand publishes the stream harbour, of which nothing comes.
func (h *house) stand(video string) {
	h.t.Helper()
	p, err := h.hub.Publish(auth.System(auth.Publish, "harbour"), idle{}, hub.Options{})
	require.NoError(h.t, err)
	_, err = p.AddTrack(media.Video, media.Codec{Name: video, ClockRate: 90000})
	require.NoError(h.t, err)
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.PCMU, ClockRate: 8000})
	require.NoError(h.t, err)
}

// A stream whose picture cannot be sent is not begun at the other server.
func TestSenderLacksThePicture(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, true), newHouse(t, true)
	from.stand(media.VP8)
	sent, ended, _ := push(t, from, "harbour", to.url+"/quay")
	err := <-ended
	require.ErrorContains(t, err, "The picture is VP8, which RTMP cannot carry")
	require.Equal(t, int64(-1), sent.Load(), "the push was never on air")
	to.stop() // and its log is whole
	require.NotContains(t, to.log.text.String(), "quay")
}

// The stream's end and the other server's end a push.
func TestSenderEnds(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, true), newHouse(t, true)
	p := publish(t, from.url+"/harbour", picture, x264)
	from.live("harbour", 1)
	_, ended, _ := push(t, from, "harbour", to.url+"/quay")
	_, lost, _ := push(t, from, "harbour", to.url+"/pier")
	to.live("quay", 1)
	to.live("pier", 1)
	to.stop()
	require.ErrorContains(t, <-lost, "shutting down")
	require.Error(t, <-ended)
	other := newHouse(t, true)
	_, ended, _ = push(t, from, "harbour", other.url+"/quay")
	other.live("quay", 1)
	require.NoError(t, p.cmd.Process.Signal(interrupt))
	require.ErrorIs(t, <-ended, hub.ErrEnded)
}

func TestTarget(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]target{
		"rtmp://live.example.org/app/live_1_abc?bandwidthtest=true": {host: "live.example.org:1935", name: "live.example.org",
			app: "app", url: "rtmp://live.example.org/app", key: "live_1_abc?bandwidthtest=true"},
		"rtmps://u:p%40@[::1]:444/a/b/k": {secure: true, host: "[::1]:444", name: "::1", app: "a/b", url: "rtmps://[::1]:444/a/b", key: "k", user: "u", pass: "p@"},
		"rtmp://h/app":                   {host: "h:1935", name: "h", app: "app", url: "rtmp://h/app"},
	} {
		u, err := url.Parse(raw)
		require.NoError(t, err)
		require.Equal(t, want, newTarget(u), raw)
	}
	require.Equal(t, "bad key •••", target{key: "k1"}.plain("bad key k1"))
}
