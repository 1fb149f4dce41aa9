package rtsp

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// send sends a stream of the house to an address until the test ends.
func (h *house) send(stream, target string) (cancel func(), ended chan error, bytes *atomic.Int64) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended, bytes = make(chan error, 1), &atomic.Int64{}
	done := make(chan struct{})
	s := &Sender{Log: h.srv.cfg.Log}
	go func() {
		defer close(done)
		ended <- s.Send(ctx, address(h.t, target), func() (*hub.Subscription, error) {
			return h.hub.Watch(ctx, auth.System(auth.Watch, stream))
		}, func(n int) { bytes.Add(int64(n)) })
	}()
	h.t.Cleanup(func() {
		cancel()
		<-done
	})
	return cancel, ended, bytes
}

func TestSend(t *testing.T) {
	t.Parallel()
	here, there := newHouse(t, true), newHouse(t, false)
	key := there.key("copy", false)
	p := publish(t, here.url+"/harbour", "tcp", picture, sound, h264, []string{"-c:a", "aac"})
	here.live("harbour", 2)
	_, ended, bytes := here.send("harbour", "rtsp://any:"+key+"@"+there.srv.Addr().String()+"/copy")
	there.live("copy", 2)
	packets, frames := &counter{}, &counter{}
	track := there.track("copy", media.Video)
	defer track.Attach(packets)()
	detach, err := track.AttachFrames(frames)
	require.NoError(t, err)
	defer detach()
	require.NoError(t, decode(t, there.url+"/copy", "tcp", 20).wait(t))
	require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 1 && c.sets == c.keyframes }), patience, time.Millisecond)
	assert.True(t, packets.seen(func(c *counter) bool { return c.gaps == 0 })())
	assert.Positive(t, bytes.Load())
	here.end(p, "harbour")
	require.ErrorIs(t, ending(t, ended), hub.ErrEnded)
}

// A stream whose picture cannot be carried is not sent.
func TestSendLacksThePicture(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p, err := h.hub.Publish(auth.System(auth.Publish, "harbour"), source{}, hub.Options{})
	require.NoError(t, err)
	_, err = p.AddTrack(media.Video, media.Codec{Name: media.MJPEG, ClockRate: 90000})
	require.NoError(t, err)
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2})
	require.NoError(t, err)
	_, ended, bytes := h.send("harbour", h.url+"/copy")
	err = ending(t, ended)
	require.ErrorIs(t, err, ErrUnplayable)
	assert.Contains(t, err.Error(), "The picture is JPEG, which RTSP cannot carry")
	assert.Zero(t, bytes.Load())
}

func TestSendFails(t *testing.T) {
	t.Parallel()
	here, there := newHouse(t, true), newHouse(t, false)
	there.key("copy", false)
	publish(t, here.url+"/harbour", "tcp", picture, h264)
	here.live("harbour", 1)
	for name, c := range map[string]struct {
		target string
		want   error
		text   string
	}{
		"wrong key":     {"rtsp://any:hk_wrong@" + there.srv.Addr().String() + "/copy", ErrPassword, "refuses the user, the password or the key"},
		"no key":        {"rtsp://" + there.srv.Addr().String() + "/copy", ErrPassword, "The server at 127.0.0.1"},
		"bad name":      {"rtsp://" + there.srv.Addr().String() + "/-", ErrRefused, `refuses the stream (404). It says: "A stream's name`},
		"nothing there": {"rtsp://" + freePort(t) + "/copy", ErrUnreachable, "Nothing answers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, ended, _ := here.send("harbour", c.target)
			err := ending(t, ended)
			require.ErrorIs(t, err, c.want)
			assert.Contains(t, err.Error(), c.text)
			assert.NotContains(t, err.Error(), "hk_wrong")
		})
	}
}
