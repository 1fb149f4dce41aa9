package hub

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

func frame(stamp uint32, keyframe bool, size int) media.Frame {
	return media.Frame{Timestamp: stamp, Keyframe: keyframe, Units: [][]byte{append([]byte{0x10, 0}, make([]byte, size)...)}}
}

// A publisher that comes back by another door writes packets where it wrote
// frames before. What is left of those in the ring is no news.
func TestPacketsAfterFrames(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	p := publish(t, h, &fakeSource{}, Options{})
	in, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	frames, packets := &frameSink{}, &fakeSink{}
	_, err = in.Track().AttachFrames(frames)
	require.NoError(t, err)
	in.Track().Attach(packets)
	for i := range 5 {
		require.NoError(t, in.WriteFrame(frame(uint32(3000*i), i == 0, 50), time.Now()))
	}
	require.Len(t, frames.frames, 5)
	again, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	again.WritePacket(Incoming{Seq: 7, Timestamp: 9, Marker: true, Arrival: time.Now(), Payload: []byte{0x10, 0, 42}})
	require.Len(t, frames.frames, 6, "only what is new")
	require.Equal(t, [][]byte{{0, 42}}, frames.frames[5].Units)
}

// Frames of an endless GOP are not held, so whoever takes packets after a while
// in which nobody did must not begin before the gap.
func TestNoKeyframeBeforeAGap(t *testing.T) {
	t.Parallel()
	p := publish(t, New(Config{}), &fakeSource{}, Options{})
	in, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	detach := in.Track().Attach(&fakeSink{})
	require.NoError(t, in.WriteFrame(frame(0, true, 50), time.Now()))
	detach()
	for i := range maxHeld + 1 {
		require.NoError(t, in.WriteFrame(frame(uint32(3000*(i+1)), false, 50), time.Now()))
	}
	in.Track().Attach(&fakeSink{})
	_, ok := in.Track().Ring().Keyframe()
	require.False(t, ok)
	require.NoError(t, in.WriteFrame(frame(9_000_000, true, 50), time.Now()))
	require.NoError(t, in.WriteFrame(frame(9_003_000, false, 50), time.Now()))
	in.Track().Attach(&fakeSink{})
	_, ok = in.Track().Ring().Keyframe()
	require.True(t, ok)
}

func TestTracksThatChangeAllTheTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // in which no time passes
		p := publish(t, New(Config{}), &fakeSource{}, Options{})
		for i := range trackBurst + 1 {
			_, err := p.AddTrack(media.Video, media.Codec{Name: media.H264, ClockRate: 90_000, Fmtp: string(rune('a' + i))})
			require.NoError(t, err)
		}
		_, err := p.AddTrack(media.Audio, opus)
		require.ErrorIs(t, err, ErrTracksQuick)
		time.Sleep(trackEvery)
		_, err = p.AddTrack(media.Audio, opus)
		require.NoError(t, err)
		p.Close(ErrEnded)
	})
}

func TestDataOfManyBytes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := publish(t, New(Config{}), &fakeSource{}, Options{})
		large, err := json.Marshal(make([]byte, 40<<10))
		require.NoError(t, err)
		taken := 0
		for range 10 {
			if p.WriteData(Data{Name: "x", Value: large, At: time.Now()}) == nil {
				taken++
			}
		}
		require.Less(t, taken, 5, "each is copied for every follower")
		require.Positive(t, taken)
		p.Close(ErrEnded)
	})
}

// asker notes the source's codec when each conversion begins.
type asker struct{ began chan string }

func (*asker) Targets(media.Codec, media.Traits) []media.Codec { return []media.Codec{opus} }

func (a *asker) Convert(ctx context.Context, from *Track, _ *Input) error {
	a.began <- from.Codec().Fmtp
	<-ctx.Done()
	return nil
}

// A conversion that begins anew because of another codec finds the new one.
func TestConversionBeginsAnewWithTheNewCodec(t *testing.T) {
	t.Parallel()
	for range 50 {
		a := &asker{began: make(chan string, 2)}
		p := publish(t, New(Config{Converter: a}), &fakeSource{}, Options{})
		one, two := aac, aac
		one.Fmtp, two.Fmtp = "one", "two"
		in, err := p.AddTrack(media.Audio, one)
		require.NoError(t, err)
		p.Stream().Choose(media.Audio, onlyOpus).Attach(&fakeSink{})
		require.Equal(t, "one", <-a.began)
		in.Track().frames.mu.Lock() // as when a sink is given all that is held
		added := make(chan error, 1)
		go func() {
			_, err := p.AddTrack(media.Audio, two)
			added <- err
		}()
		time.AfterFunc(time.Millisecond, in.Track().frames.mu.Unlock)
		require.Equal(t, "two", <-a.began)
		require.NoError(t, <-added)
		p.Close(ErrEnded)
	}
}
