//go:build unix

package transcode

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// segments cuts frames where one does not follow the one before.
func segments(codec media.Codec, frames []media.Frame) [][]media.Frame {
	step := uint32(opusSamples)
	if codec.Name == media.AAC {
		step = aacSamples
	}
	var all [][]media.Frame
	for i, f := range frames {
		if i == 0 || f.Timestamp-frames[i-1].Timestamp != step {
			all = append(all, nil)
		}
		all[len(all)-1] = append(all[len(all)-1], f)
	}
	return all
}

// A sound has the time that the source gave it, whatever was lost before it.
func TestGaps(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("2", "2.5"), "48000", "3")
	const step = 1024
	cases := []struct {
		name   string
		change func(int, unit) (unit, bool) // of the frame with this number; false leaves it out
		beep   int64                        // when the tone begins
		parts  int
	}{
		{"none", func(_ int, u unit) (unit, bool) { return u, true }, 96000, 1},
		{"two frames lost", func(i int, u unit) (unit, bool) { return u, i != 40 && i != 60 }, 96000, 1},
		{"a third of a second lost", func(i int, u unit) (unit, bool) { return u, i < 40 || i > 55 }, 96000, 1},
		{"a second lost", func(i int, u unit) (unit, bool) { return u, i < 30 || i > 77 }, 96000, 2},
		{"jumps 10 s ahead", func(i int, u unit) (unit, bool) {
			if i >= 50 {
				u.stamp += 480000
			}
			return u, true
		}, 96000 + 480000, 2},
		{"jitters by 15 ms", func(i int, u unit) (unit, bool) {
			u.stamp += int64(i%2) * 720
			return u, true
		}, 96000 + 360, 1},
		{"runs 2000 ppm slow", func(_ int, u unit) (unit, bool) {
			u.stamp += u.stamp / 500
			return u, true
		}, 96000 + 192, 1},
		{"passes 2^32", func(_ int, u unit) (unit, bool) {
			u.stamp += 1<<32 - 48000
			return u, true
		}, 96000 - 48000, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var changed []unit
			for i, u := range list {
				if u, ok := c.change(i, u); ok {
					changed = append(changed, u)
				}
			}
			s := newStage(t, codec, media.Traits{}, media.Opus)
			s.feed(changed, 400*time.Millisecond)
			s.out.reached(t, changed[len(changed)-1].stamp-24000)
			parts := segments(s.made.Codec(), s.out.all())
			require.Len(t, parts, c.parts)
			d := decode(t, s.made.Codec(), parts[len(parts)-1])
			require.InDelta(t, c.beep+step, d.onset(0), 20*48, "is in step with the picture")
		})
	}
}

// restarted waits until another child than old lives.
func restarted(t *testing.T, j *job, old *child) *child {
	t.Helper()
	var c *child
	require.Eventually(t, func() bool {
		c = j.child.Load()
		return c != nil && c != old
	}, patience, time.Millisecond)
	return c
}

// keepWriting writes frames in their time, over and over, until stopped.
func (s *stage) keepWriting(list []unit) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rate := int64(s.in.Track().Codec().ClockRate)
		step := list[1].stamp - list[0].stamp
		tick := time.NewTicker(span(step, rate))
		defer tick.Stop()
		for n := int64(0); ctx.Err() == nil; n++ {
			u := list[n%int64(len(list))]
			u.stamp = n * step
			s.write(u)
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	}()
	return func() {
		cancel()
		<-ended
	}
}

func TestKilledChildIsReplaced(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("0", "9"), "48000", "1")
	s := newStage(t, codec, media.Traits{}, media.Opus)
	defer s.keepWriting(list)()
	s.out.until(t, "sound", func(f []media.Frame) bool { return len(f) > 10 })
	j := s.job()
	first := restarted(t, j, nil)
	require.NoError(t, first.cmd.Process.Signal(syscall.SIGKILL))
	restarted(t, j, first)
	before := len(s.out.all())
	s.out.until(t, "sound again", func(f []media.Frame) bool { return len(f) > before+20 })
	require.InDelta(t, 1, s.metric("heliograph_transcode_failed_total"), 0)
	require.InDelta(t, 2, s.metric("heliograph_transcode_started_total"), 0)
	frames := s.out.all()
	for i := 1; i < len(frames); i++ {
		require.Positive(t, int32(frames[i].Timestamp-frames[i-1].Timestamp), "time goes on")
	}
}

// A child that stops for a while does not hold up the source, and the delay
// does not stay.
func TestStoppedChild(t *testing.T) {
	t.Parallel()
	codec, list := opusSource(t, tone("0", "9"), "1")
	s := newStage(t, codec, media.Traits{}, media.AAC)
	j := s.job()
	s.write(list[0])
	c := restarted(t, j, nil)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	for i := range 5000 { // more than the pipe and the queue take
		s.jump(unit{stamp: int64(i+1) * 960, units: list[i%40].units})
	}
	require.Positive(t, s.metric("heliograph_transcode_dropped_total"))
	_ = c.cmd.Process.Signal(syscall.SIGCONT) // it may have been given up already
	s.out.reached(t, 4900*960)
}

// The moments of what is made are those of the source, whatever the child takes.
func TestMoments(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("0", "9"), "44100", "1")
	s := newStage(t, codec, media.Traits{}, media.Opus)
	for _, u := range list {
		s.write(u)
	}
	s.out.reached(t, 24000)
	first := scale(list[0].stamp, 44100, 48000)
	for _, stamp := range []int64{first, first + 24000} {
		at, ok := s.made.TimeOf(uint32(stamp))
		require.True(t, ok)
		require.WithinDuration(t, s.base.Add(span(stamp-first, 48000)), at, time.Millisecond)
	}
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("0", "9"), "48000", "1")
	s := newStage(t, codec, media.Traits{}, media.Opus)
	random := rand.New(rand.NewPCG(1, 2))
	stamp := int64(0)
	for range 1000 {
		au := make([]byte, random.IntN(400))
		for i := range au {
			au[i] = byte(random.Uint32())
		}
		s.write(unit{stamp: stamp, units: [][]byte{au}})
		stamp += 1024
	}
	for i := range 60 {
		s.write(unit{stamp: stamp, units: list[i%40].units})
		stamp += 1024
	}
	s.out.reached(t, stamp-8*1024)
	frames := s.out.all()
	d := decode(t, s.made.Codec(), frames[len(frames)-20:])
	require.InDelta(t, 1000, d.pitch(9600, 14400), 20, "the sound after it is heard")
}

func TestGarbageVideo(t *testing.T) {
	t.Parallel()
	codec, list := videoSource(t, "320x180", "1", "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "2")
	s := newStage(t, codec, media.Traits{BFrames: true, FPS: 30}, media.H264)
	random := rand.New(rand.NewPCG(1, 2))
	stamp := int64(0)
	for i := range 300 {
		u := list[i%len(list)]
		var units [][]byte
		for _, n := range u.units {
			n = append([]byte(nil), n...)
			if kind := n[0] & 0x1F; kind == 7 || kind == 8 { // others begin another child each
				units = append(units, n)
				continue
			}
			for k := 1; k < len(n); k += 1 + random.IntN(60) {
				n[k] = byte(random.Uint32())
			}
			units = append(units, n)
		}
		s.write(unit{stamp: stamp, units: append(units, nil), keyframe: u.keyframe})
		stamp += 3000
	}
	end := stamp
	for _, u := range append(list, list...) {
		u.stamp, stamp = stamp, stamp+3000
		s.write(u)
	}
	s.out.reached(t, end)
}

// What a queue cannot hold is given up: of audio the oldest, of video what
// follows, up to a keyframe.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	transcoder, err := New(Config{Path: "/nowhere"})
	require.NoError(t, err)
	dropped := transcoder.counts.dropped

	audio := newIntake(media.Audio, maxWait, dropped)
	for i := range maxSounds + 5 {
		audio.WriteFrame(&media.Frame{Timestamp: uint32(i)})
	}
	a, err := audio.take(t.Context(), time.Now())
	require.NoError(t, err)
	require.EqualValues(t, 5, a.frame.Timestamp)
	require.EqualValues(t, 5, dropped.Value())

	video := newIntake(media.Video, maxWait, dropped)
	large := [][]byte{make([]byte, maxQueueBytes/4)}
	for i := range 10 {
		video.WriteFrame(&media.Frame{Timestamp: uint32(i), Units: large, Keyframe: i == 0 || i == 8})
	}
	require.EqualValues(t, 5+6, dropped.Value())
	for i := range 4 {
		a, err := video.take(t.Context(), time.Now())
		require.NoError(t, err)
		require.EqualValues(t, i, a.frame.Timestamp)
	}
	video.WriteFrame(&media.Frame{Timestamp: 10})
	video.WriteFrame(&media.Frame{Timestamp: 11, Keyframe: true})
	a, err = video.take(t.Context(), time.Now())
	require.NoError(t, err)
	require.EqualValues(t, 11, a.frame.Timestamp)
}

func TestLateFramesAreSkipped(t *testing.T) {
	t.Parallel()
	transcoder, err := New(Config{Path: "/nowhere"})
	require.NoError(t, err)
	video := newIntake(media.Video, maxWait, transcoder.counts.dropped)
	old := time.Now().Add(-2 * maxWait)
	video.queue.Push(arrival{&media.Frame{Timestamp: 1, Keyframe: true}, old})
	video.queue.Push(arrival{&media.Frame{Timestamp: 2}, time.Now()})
	video.queue.Push(arrival{&media.Frame{Timestamp: 3, Keyframe: true}, time.Now()})
	a, err := video.take(t.Context(), old)
	require.NoError(t, err)
	require.EqualValues(t, 3, a.frame.Timestamp)
}

func TestWithoutFFmpeg(t *testing.T) {
	t.Parallel()
	transcoder, err := New(Config{Path: filepath.Join(t.TempDir(), "ffmpeg"), Video: true})
	require.NoError(t, err)
	require.False(t, transcoder.Available())
	require.Contains(t, transcoder.Why(), "Install ffmpeg")
	require.Empty(t, transcoder.Targets(aacTarget(), media.Traits{}))
	require.Empty(t, transcoder.Targets(media.Codec{Name: media.H265}, media.Traits{}))
}

// program writes a shell script that stands for an ffmpeg.
func fakeFFmpeg(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700))
	return path
}

// A server that is stopped right after its start does not wait for what ffmpeg
// has to say.
func TestStopWhileFFmpegIsAsked(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{})
	x := newTranscoder(Config{}, func(ctx context.Context) program {
		close(asked)
		<-ctx.Done()
		return probe(ctx, fakeFFmpeg(t, "exec sleep 60"))
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- x.Run(ctx) }()
	<-asked
	cancel()
	require.NoError(t, <-ended)
	require.False(t, x.Available())
}

func TestLesserFFmpeg(t *testing.T) {
	t.Parallel()
	transcoder, err := New(Config{Path: fakeFFmpeg(t, `echo " A....D aac  AAC (Advanced Audio Coding)"`)})
	require.NoError(t, err)
	require.True(t, transcoder.Available())
	require.Contains(t, transcoder.Why(), "libopus")
	require.Empty(t, transcoder.Targets(aacTarget(), media.Traits{}))
	require.Equal(t, []media.Codec{aacTarget()}, transcoder.Targets(opusTarget(), media.Traits{}))

	broken, err := New(Config{Path: fakeFFmpeg(t, "exit 3")})
	require.NoError(t, err)
	require.False(t, broken.Available())
	require.Contains(t, broken.Why(), "does not run")
}

func TestTargets(t *testing.T) {
	t.Parallel()
	needFFmpeg(t, "libopus", "aac", "libx264")
	names := func(list []media.Codec) string {
		var all []string
		for _, c := range list {
			all = append(all, c.Name)
		}
		return strings.Join(all, " ")
	}
	cases := []struct {
		codec    media.Codec
		traits   media.Traits
		off, all string // what it can become, without and with video
	}{
		{aacTarget(), media.Traits{}, "opus", "opus"},
		{media.Codec{Name: media.AAC, ClockRate: 48000}, media.Traits{}, "", ""},
		{opusTarget(), media.Traits{}, "AAC", "AAC"},
		{media.Codec{Name: media.PCMU}, media.Traits{}, "opus AAC", "opus AAC"},
		{media.Codec{Name: media.H264}, media.Traits{}, "", ""},
		{media.Codec{Name: media.H264}, media.Traits{BFrames: true}, "", "H264"},
		{media.Codec{Name: media.H264}, media.Traits{Chroma: "4:4:4"}, "", "H264"},
		{media.Codec{Name: media.H265}, media.Traits{}, "", "H264"},
		{media.Codec{Name: media.VP8}, media.Traits{}, "", "H264"},
		{media.Codec{Name: media.VP9}, media.Traits{}, "", "H264"},
		{media.Codec{Name: media.AV1}, media.Traits{}, "", "H264"},
		{media.Codec{Name: media.MJPEG}, media.Traits{}, "", ""},
	}
	sound, err := New(Config{})
	require.NoError(t, err)
	require.Empty(t, sound.Why())
	pictures, err := New(Config{Video: true})
	require.NoError(t, err)
	for _, c := range cases {
		require.Equal(t, c.off, names(sound.Targets(c.codec, c.traits)), "%v", c)
		require.Equal(t, c.all, names(pictures.Targets(c.codec, c.traits)), "%v", c)
	}
	_, err = New(Config{MaxVideo: -1})
	require.Error(t, err)
}

func TestMoreVideosThanAllowed(t *testing.T) {
	t.Parallel()
	s := newStage(t, media.Codec{Name: media.H265, ClockRate: 90000}, media.Traits{}, media.H264)
	s.transcoder.video.Add(1)
	err := s.transcoder.Convert(t.Context(), s.in.Track(), s.job().to)
	require.ErrorIs(t, err, ErrFull)
	require.ErrorIs(t, s.transcoder.Convert(t.Context(), s.in.Track(), s.in), ErrTarget)
}

// An ffmpeg that dies at once is not started without end.
func TestBackoff(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("0", "1"), "48000", "1")
	s := newStage(t, codec, media.Traits{}, "")
	broken := s.transcoder.program()
	broken.path = fakeFFmpeg(t, `echo "cannot go on" >&2; exit 1`)
	s.transcoder.program = func() program { return broken }
	s.take(media.Audio, media.Opus)
	stop := s.keepWriting(list)
	require.Eventually(t, func() bool { return s.metric("heliograph_transcode_failed_total") >= 3 }, patience, 5*time.Millisecond)
	stop()
	require.Less(t, s.metric("heliograph_transcode_started_total"), 20.0)
	s.stop()
}

func TestTail(t *testing.T) {
	t.Parallel()
	var said tail
	for range 1000 {
		n, err := said.Write([]byte("line of words\n"))
		require.NoError(t, err)
		require.Equal(t, 14, n)
	}
	_, _ = said.Write([]byte(strings.Repeat("x", 5000) + "\xff end"))
	require.Len(t, said.String(), maxSaid)
	require.True(t, strings.HasSuffix(said.String(), "? end"))
}

// A child that says nothing is noticed, and what it started ends with it.
func TestSilentChild(t *testing.T) {
	t.Parallel()
	c, err := startChild(fakeFFmpeg(t, "sleep 1000 & wait"), nil)
	require.NoError(t, err)
	c.wait(20 * time.Millisecond)
	_, err = c.stdout.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	c.kill()
	begun := time.Now()
	require.ErrorContains(t, c.reap(), "killed")
	require.Less(t, time.Since(begun), c.cmd.WaitDelay, "nobody holds its pipes")
}

func TestGuard(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, guard(func() error { return errGap }), errGap)
	require.ErrorContains(t, guard(func() error { panic("oh") }), "oh")
}

// A source that jumps with each frame does not start a child for each.
func TestEndlessJumps(t *testing.T) {
	t.Parallel()
	codec, list := aacSource(t, tone("0", "1"), "48000", "1")
	s := newStage(t, codec, media.Traits{}, media.Opus)
	for i := range 400 {
		s.jump(unit{stamp: int64(i) * 48000, units: list[i%40].units})
	}
	require.Eventually(t, func() bool { return s.metric("heliograph_transcode_started_total") >= 3 }, patience, 5*time.Millisecond)
	s.stop()
	require.Less(t, s.metric("heliograph_transcode_started_total"), 20.0)
}
