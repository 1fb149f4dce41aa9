package rtsp

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestPublishAndPlay(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport, play string
		audio           []string
		codec           string
	}{
		"H264 and AAC by TCP":  {"tcp", "tcp", []string{"-c:a", "aac"}, media.AAC},
		"H264 and AAC by UDP":  {"udp", "udp", []string{"-c:a", "aac"}, media.AAC},
		"H264 and Opus by TCP": {"tcp", "udp", []string{"-c:a", "libopus"}, media.Opus},
		"H264 and LATM by TCP": {"tcp", "tcp", []string{"-c:a", "aac", "-rtpflags", "latm"}, media.AAC},
		"H264 and G711 by UDP": {"udp", "tcp", []string{"-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"}, media.PCMA},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, true)
			publish(t, h.url+"/harbour", c.transport, picture, sound, h264, c.audio)
			h.live("harbour", 2)
			audio := h.track("harbour", media.Audio)
			require.Equal(t, c.codec, audio.Codec().Name)
			video := h.track("harbour", media.Video)
			packets, frames := &counter{}, &counter{}
			defer video.Attach(packets)()
			detach, err := video.AttachFrames(frames)
			require.NoError(t, err)
			defer detach()
			player := decode(t, h.url+"/harbour", c.play, 15)
			require.NoError(t, player.wait(t))
			assert.Contains(t, player.out.text.String(), "320x180")
			require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 1 && c.sets == c.keyframes }), patience, time.Millisecond)
			assert.True(t, packets.seen(func(c *counter) bool { return c.gaps == 0 && c.largest <= media.MaxPayload })(), "%+v", packets)
		})
	}
}

// What cannot be carried is named, and the rest plays.
func TestUnknownCodec(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", "tcp", picture, sound, h264, []string{"-c:a", "libmp3lame"})
	h.live("harbour", 1)
	assert.Equal(t, 1, h.log.count("codecs=[MP3]"))
	p := publish(t, h.url+"/quay", "tcp", sound, []string{"-c:a", "libmp3lame"})
	require.Error(t, p.wait(t))
	assert.Contains(t, p.out.text.String(), "415")
	assert.Equal(t, 1, h.log.count("no track can be carried"))
}

func TestMJPEGIsNamed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", "tcp", picture, sound, []string{"-c:v", "mjpeg", "-huffman", "0", "-pix_fmt", "yuvj420p", "-c:a", "libopus"})
	i := h.live("harbour", 2)
	assert.True(t, i.Tracks[0].Codec == media.MJPEG || i.Tracks[1].Codec == media.MJPEG)
}

func TestTornDownAndLost(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := publish(t, h.url+"/harbour", "tcp", picture, h264)
	h.live("harbour", 1)
	require.NoError(t, p.cmd.Process.Signal(interrupt))
	require.Eventually(t, func() bool { return h.log.count("stream ended") == 1 }, patience, time.Millisecond)
	assert.Zero(t, h.log.count("stream away"), "TEARDOWN ends it at once")

	p = publish(t, h.url+"/harbour", "udp", picture, h264)
	h.live("harbour", 1)
	require.NoError(t, p.cmd.Process.Signal(interrupt))
	require.Eventually(t, func() bool { return h.log.count("stream ended") == 2 }, patience, time.Millisecond)

	p = publish(t, h.url+"/harbour", "tcp", picture, h264)
	h.live("harbour", 1)
	require.NoError(t, p.cmd.Process.Kill())
	require.Eventually(t, func() bool { return h.log.count("stream away") == 1 }, patience, time.Millisecond)
}

func TestSecure(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.tls+"/harbour", "tcp", picture, sound, h264, []string{"-c:a", "libopus"})
	h.live("harbour", 2)
	require.NoError(t, decode(t, h.tls+"/harbour", "tcp", 10).wait(t))
}

func TestGStreamer(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", "tcp", picture, sound, h264, []string{"-c:a", "aac"})
	h.live("harbour", 2)
	for _, transport := range []string{"tcp", "udp"} {
		p := program(t, "gst-launch-1.0", "-q", "rtspsrc", "location="+h.url+"/harbour", "protocols="+transport, "latency=100", "name=s",
			"s.", "!", "rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "identity", "eos-after=5", "!", "fakesink")
		require.NoError(t, p.wait(t), transport)
	}
	if exec.Command("gst-inspect-1.0", "rtspclientsink").Run() != nil {
		t.Skip("rtspclientsink of GStreamer is not on this machine; playing was tested")
	}
	program(t, "gst-launch-1.0", "-q", "videotestsrc", "is-live=true", "!", "video/x-raw,width=320,height=180", "!",
		"x264enc", "tune=zerolatency", "speed-preset=ultrafast", "key-int-max=30", "!", "h264parse", "!",
		"rtspclientsink", "location="+h.url+"/quay", "protocols=tcp")
	h.live("quay", 1)
	require.NoError(t, decode(t, h.url+"/quay", "tcp", 10).wait(t))
}
