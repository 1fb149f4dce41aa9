package srt

import (
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// publishes starts an ffmpeg that publishes a test picture and a tone.
func publishes(t *testing.T, h *house, codecs []string, query string) {
	t.Helper()
	args := []string{"-hide_banner", "-loglevel", "warning", "-re", "-f", "lavfi", "-i", "testsrc=size=160x90:rate=30", "-f", "lavfi", "-i", "sine=440:sample_rate=48000"}
	args = append(args, codecs...)
	args = append(args, "-f", "mpegts", "srt://"+h.srv.Addr()+"?"+query)
	start(t, ffmpeg(t), args...)
}

func h264aac() []string {
	return []string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p", "-c:a", "aac"}
}

// plays has an ffmpeg decode some of a stream and returns how many pictures
// and packets of audio it got.
func plays(t *testing.T, h *house, query string) (pictures, packets int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*waitAtMost)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool(t, "ffprobe"), "-hide_banner", "-loglevel", "error", "-analyzeduration", "1000000", "-count_frames", "-read_intervals", "%+1",
		"-show_entries", "stream=codec_name,nb_read_frames", "-of", "csv=p=0", "srt://"+h.srv.Addr()+"?"+query).CombinedOutput()
	require.NoError(t, err, string(out))
	for line := range strings.SplitSeq(strings.TrimSpace(string(out)), "\n") {
		codec, count, _ := strings.Cut(strings.TrimSpace(line), ",")
		n, _ := strconv.Atoi(strings.TrimRight(count, ","))
		switch codec {
		case "h264", "hevc":
			pictures += n
		case "aac", "opus":
			packets += n
		}
	}
	return pictures, packets
}

func TestFFmpeg(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codecs []string
		want   []string
	}{
		"h264 aac":  {h264aac(), []string{media.H264, media.AAC}},
		"h264 opus": {append(h264aac()[:len(h264aac())-1], "libopus"), []string{media.H264, media.Opus}},
		"h265 aac":  {[]string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:keyint=15:bframes=0", "-pix_fmt", "yuv420p", "-c:a", "aac"}, []string{media.H265, media.AAC}},
		"b-frames":  {[]string{"-c:v", "libx264", "-preset", "veryfast", "-bf", "2", "-g", "15", "-pix_fmt", "yuv420p", "-c:a", "aac"}, []string{media.H264, media.AAC}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, false, "")
			publishes(t, h, c.codecs, "streamid=publish:film:"+h.key("film")+"&latency=60000")
			info := h.live("film", 2)
			for i, k := range []media.Kind{media.Video, media.Audio} {
				var codec string
				for _, x := range info.Tracks {
					if x.Kind == k.String() {
						codec = x.Codec
					}
				}
				require.Equal(t, c.want[i], codec)
			}
			pictures, packets := plays(t, h, "streamid=read:film")
			require.Greater(t, pictures, 15)
			require.Greater(t, packets, 15)
		})
	}
}

func TestFFmpegEncrypted(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false, "")
	key := h.key("film")
	publishes(t, h, h264aac(), "streamid=publish:film&passphrase="+key+"&pbkeylen=32")
	h.live("film", 2)
	pictures, _ := plays(t, h, "streamid=read:film&passphrase="+key)
	require.Greater(t, pictures, 15)
	out, err := exec.Command(ffmpeg(t), "-hide_banner", "-i", "srt://"+h.srv.Addr()+"?streamid=read:film&passphrase=not+the+key+at+all", "-f", "null", "-").CombinedOutput()
	require.Error(t, err, string(out))
	h.logged("srt: refused", errPassphrase.Error())
}

// What cannot be carried is named, and the rest plays.
func TestFFmpegOtherAudio(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	for codec, name := range map[string]string{"mp2": "MPEG audio", "ac3": "AC-3"} {
		publishes(t, h, append(h264aac()[:len(h264aac())-1], codec), "streamid=publish:"+codec)
		h.live(codec, 1)
		h.logged("not taken", name, "stream="+codec)
		pictures, packets := plays(t, h, "streamid=read:"+codec)
		require.Greater(t, pictures, 15)
		require.Zero(t, packets)
	}
}

func TestGStreamer(t *testing.T) {
	t.Parallel()
	gst := tool(t, "gst-launch-1.0")
	if exec.Command(tool(t, "gst-inspect-1.0"), "srtsink", "mpegtsmux", "x264enc", "avenc_aac").Run() != nil {
		t.Skip("this GStreamer has not what the test needs")
	}
	h := newHouse(t, true, "")
	start(t, gst, "-q", "mpegtsmux", "name=m", "alignment=7", "!", "srtsink", "uri=srt://"+h.srv.Addr()+"?mode=caller&streamid=publish:film", "wait-for-connection=true",
		"videotestsrc", "is-live=true", "!", "video/x-raw,width=320,height=180,framerate=30/1", "!", "x264enc", "tune=zerolatency", "key-int-max=15", "!", "h264parse", "!", "m.",
		"audiotestsrc", "is-live=true", "!", "audioconvert", "!", "avenc_aac", "!", "aacparse", "!", "m.")
	h.live("film", 2)
	file := filepath.Join(t.TempDir(), "out.ts")
	_, wait := start(t, gst, "-q", "srtsrc", "uri=srt://"+h.srv.Addr()+"?mode=caller&streamid=read:film", "num-buffers=400", "!", "filesink", "location="+file)
	require.NoError(t, wait())
	out, err := exec.Command(tool(t, "ffprobe"), "-loglevel", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "h264")
	require.Contains(t, string(out), "aac")
}

func TestSendToFFmpeg(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	publishes(t, h, h264aac(), "streamid=publish:film")
	h.live("film", 2)
	address := freeAddress(t)
	file := filepath.Join(t.TempDir(), "out.ts")
	_, wait := start(t, ffmpeg(t), "-hide_banner", "-loglevel", "warning", "-analyzeduration", "1000000", "-i", "srt://"+address+"?mode=listener&passphrase=0123456789", "-t", "1", "-c", "copy", file)
	target, err := url.Parse("srt://" + address + "?streamid=anything&passphrase=0123456789&latency=40")
	require.NoError(t, err)
	reason := h.push(t, target)
	require.NoError(t, wait())
	require.ErrorIs(t, <-reason, errClosed)
	out, err := exec.Command(tool(t, "ffprobe"), "-loglevel", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "h264")
	require.Contains(t, string(out), "aac")
}

// push sends the stream film until it is connected and something left.
func (h *house) push(t *testing.T, target *url.URL) (reason chan error) {
	t.Helper()
	open := func() (*hub.Subscription, error) { return h.hub.Watch(t.Context(), auth.System(auth.Watch, "film")) }
	reason = make(chan error, 1)
	begun := make(chan struct{}, 100_000)
	again := make(chan error, 1)
	go func() {
		for {
			err := Sender{}.Send(t.Context(), target, open, func(int) {
				select {
				case begun <- struct{}{}:
				default:
				}
			})
			if len(begun) > 0 || t.Context().Err() != nil {
				reason <- err
				return
			}
			time.Sleep(20 * time.Millisecond) // the listener of the other program is not there yet
		}
	}()
	select {
	case <-begun:
	case err := <-again:
		t.Fatal(err)
	case <-time.After(waitAtMost):
		t.Fatal("not connected")
	}
	return reason
}

func TestSendToOurselves(t *testing.T) {
	t.Parallel()
	from, to := newHouse(t, true, ""), newHouse(t, false, passphrase)
	x, hangUp := from.caller("publish:film", "")
	go func() {
		for r := newReel(); t.Context().Err() == nil; {
			for b := range slices.Chunk(r.next(), payload) {
				_ = x.write(b)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	from.live("film", 2)
	target, err := url.Parse("srt://" + to.srv.Addr() + "?passphrase=" + url.QueryEscape(passphrase) + "&streamid=publish:copy:" + to.key("copy"))
	require.NoError(t, err)
	reason := from.push(t, target)
	to.live("copy", 2)
	hangUp()
	require.ErrorIs(t, <-reason, hub.ErrEnded)
}

// idle is a source that is asked for nothing.
type idle struct{}

func (idle) RequestKeyframe(*hub.Track, int) {}
func (idle) Close(error)                     {}

// A stream whose picture cannot be carried is not sent.
func TestSendLacksThePicture(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	p, err := h.hub.Publish(auth.System(auth.Publish, "film"), idle{}, hub.Options{})
	require.NoError(t, err)
	_, err = p.AddTrack(media.Video, media.Codec{Name: media.VP8, ClockRate: 90000})
	require.NoError(t, err)
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2})
	require.NoError(t, err)
	target, err := url.Parse("srt://" + h.srv.Addr() + "?streamid=publish:copy")
	require.NoError(t, err)
	open := func() (*hub.Subscription, error) { return h.hub.Watch(t.Context(), auth.System(auth.Watch, "film")) }
	err = Sender{}.Send(t.Context(), target, open, func(int) { t.Error("nothing is sent") })
	require.ErrorContains(t, err, "The picture is VP8, which SRT cannot carry")
}

func TestSendExplains(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false, "")
	x, _ := h.caller("publish:film:"+h.key("film"), "")
	send(t, x, newReel(), 20)
	h.live("film", 2)
	open := func() (*hub.Subscription, error) { return h.hub.Watch(t.Context(), auth.System(auth.Watch, "film")) }
	for target, want := range map[string]string{
		"srt://" + h.srv.Addr() + "?streamid=publish:other:hk_secret": "the key in the stream id is missing or wrong",
		"srt://" + h.srv.Addr() + "?streamid=what":                    "does not understand the stream id",
		"srt://" + h.srv.Addr() + "?passphrase=short":                 "10 to 79 characters",
		"srt://" + h.srv.Addr() + "?latency=-1":                       "0 to 8000 milliseconds",
		"srt://127.0.0.1":                                             "srt://HOST:PORT",
		"srt://:1?mode=listener":                                      "srt://HOST:PORT",
	} {
		u, err := url.Parse(target)
		require.NoError(t, err)
		err = Sender{}.Send(t.Context(), u, open, func(int) {})
		require.ErrorContains(t, err, want)
		require.False(t, bytes.Contains([]byte(err.Error()), []byte("hk_secret")))
	}
}
