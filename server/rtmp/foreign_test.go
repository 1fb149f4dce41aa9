package rtmp

import (
	"context"
	"encoding/binary"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortmplib"
	"github.com/bluenviron/gortmplib/pkg/codecs"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// encoded returns some frames of a moving picture as ffmpeg codes it.
func encoded(t *testing.T, format string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not on this machine")
	}
	line := []string{"-nostdin", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=25", "-t", "0.8", "-pix_fmt", "yuv420p"}
	b, err := exec.Command(path, append(append(line, args...), "-f", format, "-")...).Output()
	require.NoError(t, err)
	return b
}

// ivf splits an IVF file into its frames.
func ivf(b []byte) (frames [][]byte) {
	for b = b[32:]; len(b) > 12; {
		n := 12 + int(binary.LittleEndian.Uint32(b))
		frames = append(frames, b[12:n])
		b = b[n:]
	}
	return frames
}

// units splits a byte stream of H265 into access units: each begins with a
// delimiter.
func accessUnits(t *testing.T, b []byte) (frames [][][]byte) {
	t.Helper()
	var all h264.AnnexB
	require.NoError(t, all.Unmarshal(b))
	for _, u := range all {
		if u[0]>>1 == 35 {
			frames = append(frames, nil)
			continue
		}
		frames[len(frames)-1] = append(frames[len(frames)-1], u)
	}
	return frames
}

// client connects as the library of others does.
func client(t *testing.T, address string, publish bool) *gortmplib.Client {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c := &gortmplib.Client{URL: u, Publish: publish}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, c.Initialize(ctx))
	t.Cleanup(c.Close)
	return c
}

// Enhanced RTMP, spoken by a client and a player of others, arrives whole.
func TestEnhanced(t *testing.T) {
	t.Parallel()
	x265 := accessUnits(t, encoded(t, "hevc", "-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "aud=1:keyint=10:log-level=0"))
	vp9 := ivf(encoded(t, "ivf", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0", "-g", "10"))
	var tus [][][]byte
	for _, f := range ivf(encoded(t, "ivf", "-c:v", "libsvtav1", "-preset", "12", "-g", "10", "-svtav1-params", "lookahead=0:pred-struct=1")) {
		var tu av1.Bitstream
		require.NoError(t, tu.Unmarshal(f))
		tus = append(tus, tu[1:]) // without the delimiter
	}
	for name, c := range map[string]struct {
		codec codecs.Codec
		name  string
		n     int
		write func(w *gortmplib.Writer, track *gortmplib.Track, pts time.Duration, i int) error
	}{
		"AV1": {&codecs.AV1{}, media.AV1, len(tus), func(w *gortmplib.Writer, k *gortmplib.Track, pts time.Duration, i int) error {
			return w.WriteAV1(k, pts, tus[i])
		}},
		"VP9": {&codecs.VP9{}, media.VP9, len(vp9), func(w *gortmplib.Writer, k *gortmplib.Track, pts time.Duration, i int) error {
			return w.WriteVP9(k, pts, vp9[i])
		}},
		"H265": {&codecs.H265{VPS: x265[0][0], SPS: x265[0][1], PPS: x265[0][2]}, media.H265, len(x265),
			func(w *gortmplib.Writer, k *gortmplib.Track, pts time.Duration, i int) error {
				return w.WriteH265(k, pts, pts, x265[i])
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, true)
			video := &gortmplib.Track{Codec: c.codec}
			audio := &gortmplib.Track{Codec: &codecs.Opus{IDHeader: &opus.IDHeader{Version: 1, ChannelCount: 2, InputSampleRate: 48000}}}
			w := &gortmplib.Writer{Conn: client(t, h.url+"/harbour", true), Tracks: []*gortmplib.Track{video, audio}}
			require.NoError(t, w.Initialize())
			supply(t, func(i int) error {
				pts := time.Duration(i) * 40 * time.Millisecond
				if err := w.WriteOpus(audio, pts, []byte{0xfc, 1, 2, byte(i)}); err != nil {
					return err
				}
				return c.write(w, video, pts, i%c.n)
			})
			h.live("harbour", 2)
			require.Equal(t, c.name, h.track("harbour", media.Video).Codec().Name)
			frames := h.frames("harbour", media.Video)
			require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 1 && c.frames > 20 }), patience, time.Millisecond)
			played(t, h, c.name)
		})
	}
}

// supply calls write every few milliseconds until the test ends.
func supply(t *testing.T, write func(i int) error) {
	t.Helper()
	stop, stopped := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-stopped })
	go func() {
		defer close(stopped)
		for i := 0; write(i) == nil; i++ {
			select {
			case <-stop:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
}

// played reads the stream as a player with Enhanced RTMP does.
func played(t *testing.T, h *house, codec string) {
	t.Helper()
	r := &gortmplib.Reader{Conn: client(t, h.url+"/harbour", false)}
	require.NoError(t, r.Initialize())
	require.Len(t, r.Tracks(), 2)
	got, sound := 0, 0
	for _, track := range r.Tracks() {
		switch track.Codec.(type) {
		case *codecs.AV1:
			assert.Equal(t, media.AV1, codec)
			r.OnDataAV1(track, func(time.Duration, [][]byte) { got++ })
		case *codecs.VP9:
			assert.Equal(t, media.VP9, codec)
			r.OnDataVP9(track, func(time.Duration, []byte) { got++ })
		case *codecs.H265:
			assert.Equal(t, media.H265, codec)
			r.OnDataH265(track, func(time.Duration, time.Duration, [][]byte) { got++ })
		case *codecs.Opus:
			r.OnDataOpus(track, func(_ time.Duration, b []byte) {
				assert.Equal(t, []byte{0xfc, 1, 2}, b[:3])
				sound++
			})
		}
	}
	for got < 20 || sound < 20 {
		require.NoError(t, r.Read())
	}
}

// A player that does not know the codecs is told so.
func TestPlayerThatCannot(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	vp9 := ivf(encoded(t, "ivf", "-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "10"))
	video := &gortmplib.Track{Codec: &codecs.VP9{}}
	w := &gortmplib.Writer{Conn: client(t, h.url+"/harbour", true), Tracks: []*gortmplib.Track{video}}
	require.NoError(t, w.Initialize())
	supply(t, func(i int) error { return w.WriteVP9(video, time.Duration(i)*40*time.Millisecond, vp9[i%len(vp9)]) })
	h.live("harbour", 1)
	p := decode(t, h.url+"/harbour", 1)
	require.Error(t, p.wait(t))
	require.Contains(t, p.out.text.String(), "Your player cannot play this: the stream is VP9")
}

// The library's client answers challenges, with its own idea of the user.
func TestForeignChallenge(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	address := strings.Replace(h.url, "/live", "/auth", 1) + "/harbour"
	c := client(t, strings.Replace(address, "rtmp://", "rtmp://ada:"+h.key("harbour", false)+"@", 1), true)
	h.live("harbour", 0)
	c.Close()
	u, err := url.Parse(strings.Replace(address, "rtmp://", "rtmp://ada:nonsense@", 1))
	require.NoError(t, err)
	require.Error(t, (&gortmplib.Client{URL: u, Publish: true}).Initialize(t.Context()))
}
