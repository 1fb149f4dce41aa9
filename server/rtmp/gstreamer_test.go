package rtmp

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// gst runs a pipeline of GStreamer, if it has the elements.
func gst(t *testing.T, elements, pipeline string) *tool {
	t.Helper()
	for e := range strings.FieldsSeq(elements) {
		if exec.Command("gst-inspect-1.0", e).Run() != nil {
			t.Skipf("GStreamer's %s is not on this machine", e)
		}
	}
	return program(t, "gst-launch-1.0", append([]string{"-q", "-e"}, strings.Fields(pipeline)...)...)
}

// GStreamer publishes, in both of its ways, and plays.
func TestGStreamer(t *testing.T) {
	t.Parallel()
	const source = "videotestsrc is-live=true ! video/x-raw,width=320,height=180,framerate=25/1 ! " +
		"x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse ! flvmux streamable=true name=mux ! "
	h := newHouse(t, false)
	key := h.key("harbour", false)
	for name, sink := range map[string]string{
		"rtmp2sink":                 "rtmp2sink location=" + h.url + "/harbour?key=" + key,
		"rtmp2sink with a password": "rtmp2sink location=" + strings.Replace(strings.Replace(h.url, "rtmp://", "rtmp://ada:"+key+"@", 1), "/live", "/auth", 1) + "/harbour",
		"rtmpsink":                  "rtmpsink location=" + h.url + "/harbour?key=" + key,
	} {
		t.Run(name, func(t *testing.T) {
			p := gst(t, "x264enc flvmux "+strings.Fields(sink)[0], source+sink)
			h.live("harbour", 1)
			frames := h.frames("harbour", media.Video)
			require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 0 }), patience, time.Millisecond)
			player := gst(t, "rtmp2src flvdemux avdec_h264", "rtmp2src location="+h.url+"/harbour ! flvdemux ! h264parse ! avdec_h264 ! fakesink num-buffers=20")
			require.NoError(t, player.wait(t))
			require.NoError(t, p.cmd.Process.Signal(interrupt))
			require.Eventually(t, func() bool { return len(h.hub.List()) == 0 }, patience, time.Millisecond)
		})
	}
}
