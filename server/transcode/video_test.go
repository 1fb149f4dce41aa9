package transcode

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// Every picture comes out once, at its own time, so that every browser can
// decode it.
func TestVideo(t *testing.T) {
	t.Parallel()
	x264 := func(size string, args ...string) func(testing.TB) (media.Codec, []unit) {
		return func(t testing.TB) (media.Codec, []unit) {
			return videoSource(t, size, "2", append([]string{"-c:v", "libx264", "-preset", "veryfast", "-g", "25"}, args...)...)
		}
	}
	browser := func(name, encoder string) func(testing.TB) (media.Codec, []unit) {
		return func(t testing.TB) (media.Codec, []unit) { return browserSource(t, name, encoder, "160x90", "1") }
	}
	cases := []struct {
		name   string
		make   func(testing.TB) (media.Codec, []unit)
		traits media.Traits
		lost   int // pictures that may be missing
	}{
		{"b-frames", x264("640x360", "-pix_fmt", "yuv420p"), media.Traits{BFrames: true}, 0},
		{"4:4:4", x264("320x180", "-pix_fmt", "yuv444p", "-bf", "0"), media.Traits{Chroma: "4:4:4"}, 0},
		{"10 bit", x264("320x180", "-pix_fmt", "yuv420p10", "-bf", "0"), media.Traits{BitDepth: 10}, 0},
		{"odd size", x264("321x181", "-pix_fmt", "yuv444p", "-bf", "0"), media.Traits{Chroma: "4:4:4"}, 0},
		{"interlaced", x264("320x240", "-pix_fmt", "yuv420p", "-bf", "0", "-flags", "+ilme+ildct", "-vf", "tinterlace=4", "-r", "30"),
			media.Traits{Interlaced: true}, 1},
		{"h265", func(t testing.TB) (media.Codec, []unit) { return h265Source(t, "320x180", "2") }, media.Traits{Width: 320, Height: 180}, 0},
		{"vp8", browser(media.VP8, "libvpx"), media.Traits{}, 0},
		{"vp9", browser(media.VP9, "libvpx-vp9"), media.Traits{}, 0},
		{"av1 of libaom", browser(media.AV1, "libaom-av1"), media.Traits{}, 0},
		{"av1 of svt", browser(media.AV1, "libsvtav1"), media.Traits{}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			codec, list := c.make(t)
			c.traits.FPS, c.traits.Bitrate = 30, 1_000_000
			s := newStage(t, codec, c.traits, media.H264)
			s.feed(list, time.Second)
			stamps := make([]uint32, len(list))
			for i, u := range list {
				stamps[i] = uint32(u.stamp)
			}
			slices.Sort(stamps)
			got := flushed(s, list, int64(stamps[len(stamps)-1]))
			require.GreaterOrEqual(t, len(got), len(list)-c.lost)
			for i, f := range got {
				require.Equal(t, stamps[i], f.Timestamp, "picture %d", i)
			}
			playable(t, got)
		})
	}
}

// flushed returns what comes of a list whose last picture is shown at end, by
// writing more, so that the decoder gives out what it holds.
func flushed(s *stage, list []unit, end int64) []media.Frame {
	for _, u := range list[:30] {
		u.stamp += end + 9000
		s.write(u)
	}
	s.out.reached(s.t, end+9000)
	got := s.out.all()
	n := slices.IndexFunc(got, func(f media.Frame) bool { return int64(f.Timestamp) > end })
	return got[:n]
}

// playable asserts what WebRTC asks of H264.
func playable(t *testing.T, frames []media.Frame) {
	t.Helper()
	require.True(t, frames[0].Keyframe)
	var stream bytes.Buffer
	last := uint32(0)
	for i, f := range frames {
		if f.Keyframe {
			last = f.Timestamp
			require.EqualValues(t, 7, f.Units[0][0]&0x1F, "a keyframe brings its SPS")
			require.EqualValues(t, 8, f.Units[1][0]&0x1F, "and its PPS")
			var sps h264.SPS
			require.NoError(t, sps.Unmarshal(f.Units[0]))
			require.EqualValues(t, 66, sps.ProfileIdc)
			require.True(t, sps.ConstraintSet1Flag, "constrained")
			require.EqualValues(t, 2, sps.PicOrderCntType, "nothing is reordered")
		}
		require.Less(t, f.Timestamp-last, uint32(90000*11/10), "frame %d is within a second of a keyframe", i)
		for _, u := range f.Units {
			stream.WriteString(startCode)
			stream.Write(u)
		}
	}
	seen := ffmpeg(t, stream.Bytes(), "-f", "h264", "-i", "pipe:0", "-vsync", "passthrough", "-f", "framecrc", "pipe:1")
	n := strings.Count(string(seen), "\n") - strings.Count(string(seen), "#")
	require.Equal(t, len(frames), n, "each decodes")
}

func BenchmarkDelay(b *testing.B) {
	beep := tone("0", "9")
	b.Run("AAC to Opus", func(b *testing.B) {
		codec, list := aacSource(b, beep, "48000", "5")
		delays(b, codec, media.Traits{}, media.Opus, list)
	})
	b.Run("Opus to AAC", func(b *testing.B) {
		codec, list := opusSource(b, beep, "5")
		delays(b, codec, media.Traits{}, media.AAC, list)
	})
	for _, size := range []string{"640x360", "1280x720"} {
		b.Run("B-frames to H264 "+size, func(b *testing.B) {
			codec, list := videoSource(b, size, "5", "-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv420p", "-b:v", "2M")
			delays(b, codec, media.Traits{BFrames: true, FPS: 30, Bitrate: 2_000_000}, media.H264, list)
		})
		b.Run("4:4:4 to H264 "+size, func(b *testing.B) {
			codec, list := videoSource(b, size, "5", "-c:v", "libx264", "-preset", "veryfast", "-g", "60", "-pix_fmt", "yuv444p", "-bf", "0", "-b:v", "2M")
			delays(b, codec, media.Traits{Chroma: "4:4:4", FPS: 30, Bitrate: 2_000_000}, media.H264, list)
		})
	}
}

// delays writes frames when a source would and prints how long after the frame
// that holds its first sound or picture each of what is made of it comes. The
// child's start is left out.
func delays(b *testing.B, codec media.Codec, traits media.Traits, target string, list []unit) {
	const start = 30 // frames
	for range b.N {
		s := newStage(b, codec, traits, target)
		rate, made := int64(codec.ClockRate), int64(s.made.Codec().ClockRate)
		begun := time.Now()
		wrote := make([]time.Time, len(list))
		tick := time.NewTimer(0)
		<-tick.C
		sent := int64(0)
		for i, u := range list {
			tick.Reset(time.Until(begun.Add(span(int64(i)*(list[len(list)-1].stamp)/int64(len(list)-1), rate))))
			<-tick.C
			wrote[i] = time.Now()
			s.write(u)
			sent = max(sent, u.stamp)
		}
		s.out.reached(b, scale(sent, rate, made)-made/4)
		var all []time.Duration
		s.out.mu.Lock()
		for i, f := range s.out.frames {
			holds := -1
			for n, u := range list {
				if scale(u.stamp, rate, made) <= int64(f.Timestamp) && (holds < 0 || u.stamp > list[holds].stamp) {
					holds = n
				}
			}
			if i >= start && holds >= 0 {
				all = append(all, s.out.at[i].Sub(wrote[holds]))
			}
		}
		s.out.mu.Unlock()
		s.stop()
		slices.Sort(all)
		ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
		b.ReportMetric(ms(all[0]), "ms-min")
		b.ReportMetric(ms(all[len(all)/2]), "ms-median")
		b.ReportMetric(ms(all[len(all)-1]), "ms-max")
		b.Log(strconv.Itoa(len(all)) + " frames")
	}
}

// The rate is the source's, however many frames a second it has.
func TestBitrate(t *testing.T) {
	t.Parallel()
	for rate, fps := range map[string]float64{"15": 15, "60": 60} {
		t.Run(rate, func(t *testing.T) {
			t.Parallel()
			codec, list := videoSource(t, "160x90", "3", "-vf", "fps="+rate+",noise=alls=40:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-g", "60", "-bf", "2")
			s := newStage(t, codec, media.Traits{BFrames: true, Bitrate: 300_000, FPS: fps}, media.H264)
			s.feed(list, time.Second)
			s.out.reached(t, 2*90000)
			bits := 0
			for _, f := range s.out.all() {
				for _, u := range f.Units {
					if f.Timestamp <= 2*90000 {
						bits += 8 * len(u)
					}
				}
			}
			require.InDelta(t, 300_000, bits/2, 100_000)
		})
	}
}

// What comes out keeps its size while a browser sends smaller pictures, and
// becomes larger with them.
func TestAdaptation(t *testing.T) {
	t.Parallel()
	for name, encoder := range map[string]string{media.VP8: "libvpx", media.VP9: "libvpx-vp9"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec, small := browserSource(t, name, encoder, "160x90", "0.5")
			_, middle := browserSource(t, name, encoder, "320x180", "0.5")
			_, tall := browserSource(t, name, encoder, "180x322", "0.5")
			s := newStage(t, codec, media.Traits{}, media.H264)
			end := int64(0)
			for _, list := range [][]unit{middle, small, middle, tall, tall} {
				for i := range list {
					u := list[i]
					u.stamp += end
					s.jump(u)
				}
				end += int64(len(list)) * 3000
				s.out.reached(t, end-3*3000)
			}
			var sizes []string
			got := s.out.all()
			for _, f := range got {
				if !f.Keyframe {
					continue
				}
				var sps h264.SPS
				require.NoError(t, sps.Unmarshal(f.Units[0]))
				if size := strconv.Itoa(sps.Width()) + "x" + strconv.Itoa(sps.Height()); !slices.Contains(sizes, size) {
					sizes = append(sizes, size)
				}
			}
			require.Equal(t, []string{"320x180", "180x322"}, sizes)
			require.InDelta(t, 2, s.metric("heliograph_transcode_started_total"), 0)
			require.InDelta(t, 0, s.metric("heliograph_transcode_failed_total"), 0)
			require.GreaterOrEqual(t, len(got), int(end/3000)-4, "no picture is lost")
		})
	}
}

// A browser sends no keyframe by itself.
func TestKeyframeIsAsked(t *testing.T) {
	t.Parallel()
	codec, list := browserSource(t, media.VP8, "libvpx", "160x90", "1")
	s := newStage(t, codec, media.Traits{}, media.H264)
	s.write(list[1])
	require.Eventually(t, func() bool { return s.source.asked.Load() == 1 }, patience, time.Millisecond)
	for _, u := range list {
		u.stamp += 6000
		s.write(u)
	}
	s.out.reached(t, 20*3000)
	require.True(t, s.out.all()[0].Keyframe)

	in := newIntake(media.Video, maxWait, s.transcoder.counts.dropped)
	asked := 0
	in.ask = func() { asked++ }
	in.WriteFrame(&media.Frame{Units: [][]byte{make([]byte, maxQueueBytes+1)}, Keyframe: true})
	in.WriteFrame(&media.Frame{Timestamp: 3000})
	require.Equal(t, 2, asked, "what was dropped is not made up for by waiting")
}
