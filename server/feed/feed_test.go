package feed_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

type source struct{}

func (source) RequestKeyframe(*hub.Track, int) {}
func (source) Close(error)                     {}

var (
	h264 = media.Codec{Name: media.H264, ClockRate: 90_000}
	aac  = media.Codec{Name: media.AAC, ClockRate: 48_000, Channels: 2}
	vp8  = media.Codec{Name: media.VP8, ClockRate: 90_000}
)

// studio is a stream with video and audio on one clock.
type studio struct {
	t            *testing.T
	hub          *hub.Hub
	video, audio *hub.Input
	publication  *hub.Publication
	begin        time.Time
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	s := &studio{t: t, hub: hub.New(hub.Config{}), begin: time.Now()}
	s.publish(h264)
	return s
}

func (s *studio) publish(video media.Codec) {
	s.t.Helper()
	var err error
	s.publication, err = s.hub.Publish(auth.System(auth.Publish, "s"), source{}, hub.Options{})
	require.NoError(s.t, err)
	s.video, err = s.publication.AddTrack(media.Video, video)
	require.NoError(s.t, err)
	s.audio, err = s.publication.AddTrack(media.Audio, aac)
	require.NoError(s.t, err)
}

// write puts a frame on a track, shown at a time since the beginning.
func (s *studio) write(in *hub.Input, at time.Duration, keyframe bool) {
	s.t.Helper()
	stamp := uint32(at.Nanoseconds() * int64(in.Track().Codec().ClockRate) / 1e9)
	in.Anchor(stamp, s.begin.Add(at))
	unit := []byte{0x41, 0x9a, 1}
	if keyframe {
		unit = []byte{0x65, 0x88, 1}
	}
	require.NoError(s.t, in.WriteFrame(media.Frame{Timestamp: stamp, Keyframe: keyframe, Units: [][]byte{unit}}, s.begin.Add(at)))
}

func (s *studio) open(c feed.Config) (*feed.Feed, error) {
	s.t.Helper()
	sub, err := s.hub.Watch(s.t.Context(), auth.System(auth.Watch, "s"))
	require.NoError(s.t, err)
	return feed.Open(s.t.Context(), sub, c)
}

func next(t *testing.T, f *feed.Feed) feed.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	item, err := f.Next(ctx)
	require.NoError(t, err)
	return item
}

func TestBeginsAtTheLastKeyframeOnOneClock(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.write(s.video, 0, true)
	s.write(s.video, time.Second, true)
	s.write(s.video, 1040*time.Millisecond, false)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	s.write(s.audio, 1020*time.Millisecond, true)
	s.write(s.video, 1080*time.Millisecond, false)
	for _, want := range []struct {
		kind media.Kind
		at   time.Duration
	}{{media.Video, 0}, {media.Video, 40}, {media.Audio, 20}, {media.Video, 80}} {
		item := next(t, f)
		require.Equal(t, want.kind, item.Track.Kind())
		require.InDelta(t, (want.at * time.Millisecond).Seconds(), item.Time.Seconds(), 0.002)
	}
}

func TestSlowReaderGoesOnAtAKeyframe(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	f, err := s.open(feed.Config{Frames: 2})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	for i := range 5 {
		s.write(s.video, time.Duration(i)*40*time.Millisecond, i == 0)
	}
	next(t, f)
	next(t, f)
	s.write(s.video, 200*time.Millisecond, false)
	s.write(s.video, 240*time.Millisecond, true)
	require.True(t, next(t, f).Frame.Keyframe, "no frame that lacks the ones before it")
	require.EqualValues(t, 1, f.Dropped())
}

// All that a track holds comes at once, before anybody can read it.
func TestLongGOPIsWhole(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	const long = 1100
	for i := range long {
		s.write(s.video, time.Duration(i)*20*time.Millisecond, i == 0)
	}
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	for range long {
		next(t, f)
	}
	require.Zero(t, f.Dropped())
}

func TestLargeFramesWaitInBounds(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	large := make([]byte, 7<<20)
	for i := range 20 {
		frame := media.Frame{Timestamp: uint32(i * 3000), Keyframe: true, Units: [][]byte{large}}
		require.NoError(t, s.video.WriteFrame(frame, time.Now()))
	}
	require.EqualValues(t, 16, f.Dropped(), "a slow reader does not fill the memory")
	for range 4 {
		next(t, f)
	}
	s.write(s.video, time.Second, true)
	require.True(t, next(t, f).Frame.Keyframe)
}

func TestWhatCannotBeCarried(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	onlyVideo, err := s.open(feed.Config{Accept: func(c media.Codec, _ media.Traits) bool { return c.Name == media.H264 }})
	require.NoError(t, err)
	defer onlyVideo.Close(hub.ErrEnded)
	require.Len(t, onlyVideo.Tracks(), 1)
	require.Equal(t, []media.Codec{aac}, onlyVideo.Left())

	_, err = s.open(feed.Config{Accept: func(media.Codec, media.Traits) bool { return false }})
	var unsupported *feed.UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, []string{"H264", "AAC"}, unsupported.Codecs)
	require.ErrorContains(t, err, "H264 and AAC")
}

// Who cannot do without the picture is told, at once or when it comes later.
func TestThePictureCannotBeCarried(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	whole := feed.Config{Whole: "SRT", Accept: func(c media.Codec, _ media.Traits) bool { return c.Name == media.AAC }}
	_, err := s.open(whole)
	var picture *feed.PictureError
	require.ErrorAs(t, err, &picture)
	require.Equal(t, feed.PictureError{Codec: "H264", Carrier: "SRT"}, *picture)
	require.ErrorContains(t, err, "The picture is H264, which SRT cannot carry")

	accept := whole
	accept.Accept = func(c media.Codec, _ media.Traits) bool { return c.Name == media.H264 }
	f, err := s.open(accept)
	require.NoError(t, err, "without the sound it goes on")
	f.Close(hub.ErrEnded)

	radio := &studio{t: t, hub: hub.New(hub.Config{}), begin: time.Now()}
	radio.publication, err = radio.hub.Publish(auth.System(auth.Publish, "s"), source{}, hub.Options{})
	require.NoError(t, err)
	_, err = radio.publication.AddTrack(media.Audio, aac)
	require.NoError(t, err)
	f, err = radio.open(whole)
	require.NoError(t, err, "there is no picture")
	defer f.Close(hub.ErrEnded)
	_, err = radio.publication.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	_, err = f.Next(t.Context())
	require.ErrorIs(t, err, feed.ErrChanged)
}

// asked counts requests for keyframes.
type asked struct {
	source
	n atomic.Int32
}

func (a *asked) RequestKeyframe(*hub.Track, int) { a.n.Add(1) }

func TestAsksForAKeyframe(t *testing.T) {
	t.Parallel()
	a := &asked{}
	s := &studio{t: t, hub: hub.New(hub.Config{}), begin: time.Now()}
	var err error
	s.publication, err = s.hub.Publish(auth.System(auth.Publish, "s"), a, hub.Options{})
	require.NoError(t, err)
	s.video, err = s.publication.AddTrack(media.Video, h264)
	require.NoError(t, err)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	s.write(s.video, 0, false)
	require.EqualValues(t, 1, a.n.Load())
}

func TestPublisherReturns(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	s.write(s.video, 0, true)
	before := next(t, f).Time
	s.publication.Close(errors.New("lost"))
	s.publish(h264)
	s.write(s.video, 3*time.Second, true)
	require.Greater(t, next(t, f).Time, before, "the same feed goes on")

	s.publication.Close(errors.New("lost"))
	s.publish(vp8)
	_, err = f.Next(t.Context())
	require.ErrorIs(t, err, feed.ErrChanged)
}

func TestEnds(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	s.write(s.video, 0, true)
	s.publication.Close(hub.ErrEnded)
	next(t, f)
	_, err = f.Next(t.Context())
	require.ErrorIs(t, err, hub.ErrEnded)
	f.Close(hub.ErrEnded)
	f.Close(hub.ErrEnded)
	require.Empty(t, s.hub.List())
}

func TestPlayerDoesNotStayBehind(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.begin = time.Now().Add(-4 * time.Second)
	for i := range 100 {
		s.write(s.video, time.Duration(i)*40*time.Millisecond, i == 0)
	}
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	s.write(s.video, time.Since(s.begin)+40*time.Millisecond, false)
	var last feed.Item
	for i := range 100 {
		item := next(t, f)
		require.True(t, i == 0 || item.Time > last.Time, "time goes on")
		last = item
	}
	require.InDelta(t, 0.25, last.Time.Seconds(), 0.05, "four seconds within a quarter of one")
	live := next(t, f)
	require.Greater(t, live.Time, last.Time)
	require.Less(t, live.Time, time.Second)
}

// Pictures are decoded in another order than they are shown in: those that are
// shown before one that came already come after the feed has begun.
func TestPicturesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	const step = 40 * time.Millisecond
	s.begin = time.Now().Add(-10 * step)
	order := []int{0, 3, 1, 2, 6, 4, 5, 9, 7, 8, 12, 10, 11, 15, 13, 14}
	for _, i := range order[:11] { // picture 12, which is shown after the beginning, too
		s.write(s.video, time.Duration(i)*step, i == 0)
	}
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	for _, i := range order[11:] {
		s.write(s.video, time.Duration(i)*step, false)
	}
	times := make([]time.Duration, len(order))
	for _, i := range order {
		times[i] = next(t, f).Time
	}
	for i := range times[1:] {
		require.Greater(t, times[i+1], times[i], "picture %d: %v", i+1, times)
	}
}

func TestNothingIsBeforeTheBeginning(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	f, err := s.open(feed.Config{})
	require.NoError(t, err)
	defer f.Close(hub.ErrEnded)
	s.write(s.video, 2*time.Second, true)
	s.write(s.audio, time.Second, true) // a burst that is late
	s.write(s.audio, 2020*time.Millisecond, true)
	require.Zero(t, next(t, f).Time)
	require.InDelta(t, 0.02, next(t, f).Time.Seconds(), 0.005)
}
