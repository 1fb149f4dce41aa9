package rtsp

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

func address(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	require.NoError(t, err)
	return u
}

// pull pulls a camera into a stream of the house until the test ends.
func (h *house) pull(stream string, s Source) (cancel func(), ended chan error) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	done := make(chan struct{})
	p := &Puller{Hub: h.hub, Log: h.srv.cfg.Log}
	go func() {
		defer close(done)
		ended <- p.Pull(ctx, auth.System(auth.Publish, stream), s)
	}()
	h.t.Cleanup(func() {
		cancel()
		<-done
	})
	return cancel, ended
}

func ending(t *testing.T, ended chan error) error {
	t.Helper()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		require.Fail(t, "the camera is still pulled")
		return nil
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport string
		change    func(*device)
	}{
		"tcp":    {"tcp", nil},
		"udp":    {"udp", nil},
		"auto":   {"auto", nil},
		"signed": {"auto", func(d *device) { d.pass = "s3cret" }},
		"no UDP": {"auto", func(d *device) { d.noUDP = true }},
		"names another source": {"udp", func(d *device) {
			d.tamper = func(req *base.Request, res *base.Response) {
				if req.Method == base.Setup {
					res.Header["Transport"][0] += ";source=192.0.2.1"
				}
			}
		}},
		"knows no OPTIONS": {"tcp", func(d *device) {
			d.tamper = func(req *base.Request, res *base.Response) {
				if req.Method == base.Options {
					res.StatusCode = base.StatusNotFound
				}
			}
		}},
		"does not say how it packs": {"udp", func(d *device) {
			d.tamper = func(req *base.Request, res *base.Response) {
				if req.Method == base.Describe {
					res.Body = []byte(strings.ReplaceAll(string(res.Body), "packetization-mode=1; ", ""))
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, d := newHouse(t, false), startDevice(t, c.change)
			lives := atomic.Int32{}
			cancel, ended := h.pull("cam", Source{
				URL: address(t, d.with("admin", "s3cret")), Transport: c.transport, Live: func() { lives.Add(1) },
			})
			h.live("cam", 1)
			packets, frames := &counter{}, &counter{}
			track := h.track("cam", media.Video)
			assert.NotNil(t, setsOf(media.H264, track.Codec().ParameterSets()))
			defer track.Attach(packets)()
			detach, err := track.AttachFrames(frames)
			require.NoError(t, err)
			defer detach()
			require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 1 && c.sets == c.keyframes }), patience, time.Millisecond)
			assert.True(t, packets.seen(func(c *counter) bool { return c.gaps == 0 && c.largest <= media.MaxPayload })())
			require.Eventually(t, func() bool { _, ok := track.StampAt(time.Now()); return ok }, patience, time.Millisecond)
			cancel()
			require.NoError(t, ending(t, ended))
			assert.EqualValues(t, 1, lives.Load())
			require.Eventually(t, func() bool { return h.hub.Info("cam").State == hub.Offline }, patience, time.Millisecond)
			assert.Zero(t, h.log.count("s3cret"))
		})
	}
}

func TestPullFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("not there")
	mjpeg := func(d *device) {
		d.media = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{&format.MJPEG{}}}
		d.mute.Store(true)
	}
	to := func(location string) func(*device) {
		return func(d *device) {
			d.answers = func(string) (*base.Response, error) {
				return &base.Response{StatusCode: base.StatusFound, Header: base.Header{"Location": {location}}}, nil
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*device)
		url    func(*device) string
		dial   func(context.Context, string, string) (net.Conn, error)
		want   error
		text   string
	}{
		"wrong password":  {func(d *device) { d.pass = "right" }, func(d *device) string { return d.with("admin", "wrong") }, nil, ErrPassword, "refuses the user or the password"},
		"no password":     {func(d *device) { d.pass = "right" }, func(d *device) string { return d.url }, nil, ErrPassword, "the address has none"},
		"no such path":    {nil, func(d *device) string { return d.url + "/no" }, nil, ErrNoVideo, "no stream at this path (404)"},
		"nothing there":   {nil, func(*device) string { return "rtsp://" + freePort(t) + "/live" }, nil, ErrUnreachable, "Nothing answers at 127.0.0.1"},
		"no such host":    {nil, func(*device) string { return "rtsp://camera.invalid/live" }, nil, ErrUnreachable, "no host named camera.invalid"},
		"no RTSP address": {nil, func(*device) string { return "http://127.0.0.1/live" }, nil, ErrUnreachable, "rtsp://"},
		"forbidden address": {nil, func(d *device) string { return d.url }, func(context.Context, string, string) (net.Conn, error) {
			return nil, refused
		}, refused, "not there"},
		"MJPEG only":    {mjpeg, func(d *device) string { return d.url }, nil, ErrNoVideo, "The camera sends MJPEG"},
		"redirect loop": {to("rtsp://localhost/x"), func(d *device) string { return d.url }, nil, ErrUnreachable, "answers"},
		"redirect with the password": {to("rtsp://192.0.2.1/x"), func(d *device) string { return d.with("admin", "secret") },
			nil, ErrUnreachable, "another host, 192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, d := newHouse(t, false), startDevice(t, c.change)
			if name == "redirect loop" {
				to(d.url)(d)
			}
			_, ended := h.pull("cam", Source{URL: address(t, c.url(d)), Transport: "tcp", Dial: c.dial})
			err := ending(t, ended)
			require.ErrorIs(t, err, c.want)
			assert.Contains(t, err.Error(), c.text)
			assert.NotContains(t, err.Error(), "secret")
			assert.Equal(t, hub.Offline, h.hub.Info("cam").State)
		})
	}
}

func TestPullFrozen(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	h, d := newHouse(t, false), startDevice(t, nil)
	_, ended := h.pull("cam", Source{URL: address(t, d.url), Transport: "tcp"})
	h.live("cam", 1)
	d.mute.Store(true)
	err := ending(t, ended)
	require.ErrorIs(t, err, ErrFrozen)
	assert.Contains(t, err.Error(), "sent nothing for 5 s")
	assert.Equal(t, hub.Away, h.hub.Info("cam").State, "viewers are kept")
	d.mute.Store(false)
	h.pull("cam", Source{URL: address(t, d.url), Transport: "tcp"})
	h.live("cam", 1)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	d := startDevice(t, nil)
	offers, err := Probe(t.Context(), Source{URL: address(t, d.url)})
	require.NoError(t, err)
	require.Len(t, offers, 1)
	assert.Equal(t, media.H264, offers[0].Codec.Name)
	assert.True(t, offers[0].Carried)
	_, err = Probe(t.Context(), Source{URL: address(t, d.url+"/no")})
	require.ErrorIs(t, err, ErrNoVideo)
}
