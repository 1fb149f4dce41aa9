package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

var (
	aac  = media.Codec{Name: media.AAC, ClockRate: 48_000, Channels: 2}
	opus = media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}
)

// converter makes Opus of AAC, by handing each frame on.
type converter struct {
	running chan int // +1 and -1
	fail    bool
}

func (*converter) Targets(c media.Codec, _ media.Traits) []media.Codec {
	if c.Name == media.AAC {
		return []media.Codec{opus}
	}
	return nil
}

func (c *converter) Convert(ctx context.Context, from *Track, to *Input) error {
	c.running <- 1
	defer func() { c.running <- -1 }()
	if c.fail {
		return errors.New("no program")
	}
	detach, err := from.AttachFrames(handOn{to})
	if err != nil {
		return err
	}
	defer detach()
	<-ctx.Done()
	return nil
}

type handOn struct{ to *Input }

func (h handOn) WriteFrame(f *media.Frame) {
	_ = h.to.WriteFrame(*f, time.Unix(0, f.Arrival)) // replaced when the conversion began anew
}
func (handOn) Close(error) {}

func onlyOpus(c media.Codec, _ media.Traits) bool { return c.Name == media.Opus }

func TestTrackIsMadeWhileSomebodyTakesIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &converter{running: make(chan int, 8)}
		h := New(Config{Converter: c})
		p := publish(t, h, &fakeSource{}, Options{})
		in, err := p.AddTrack(media.Audio, aac)
		require.NoError(t, err)
		s := p.Stream()
		require.Same(t, in.Track(), s.Choose(media.Audio, func(c media.Codec, _ media.Traits) bool { return c.Name == media.AAC }))
		require.Nil(t, s.Choose(media.Video, onlyOpus))
		require.Nil(t, s.Choose(media.Audio, func(c media.Codec, _ media.Traits) bool { return c.Name == media.PCMU }))
		made := s.Choose(media.Audio, onlyOpus)
		require.Equal(t, opus, made.Codec())
		require.Same(t, made, s.Choose(media.Audio, onlyOpus), "one for all")
		synctest.Wait()
		require.Empty(t, c.running, "nothing runs that nobody takes")

		packets, frames := &fakeSink{}, &frameSink{}
		detach := made.Attach(packets)
		detachFrames, err := made.AttachFrames(frames)
		require.NoError(t, err)
		require.Equal(t, 1, <-c.running)
		synctest.Wait()
		require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 7, Units: [][]byte{{1, 2}}}, time.Now()))
		synctest.Wait()
		require.Len(t, packets.packets, 1)
		require.Len(t, frames.frames, 1)
		require.EqualValues(t, 7, frames.frames[0].Timestamp, "the time line of what it is made of")

		detach()
		detach() // twice counts once
		time.Sleep(convertLinger + time.Second)
		synctest.Wait()
		require.Empty(t, c.running)
		detachFrames()
		time.Sleep(convertLinger - time.Second)
		made.Attach(packets)()
		time.Sleep(convertLinger - time.Second)
		synctest.Wait()
		require.Empty(t, c.running, "who comes in time finds it running")
		time.Sleep(2 * time.Second)
		require.Equal(t, -1, <-c.running)

		made.Attach(packets)
		require.Equal(t, 1, <-c.running, "it begins again")
		p.Close(ErrEnded)
		require.Equal(t, -1, <-c.running)
	})
}

func TestConversionBeginsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &converter{running: make(chan int, 64)}
		h := New(Config{Converter: c})
		p := publish(t, h, &fakeSource{}, Options{})
		_, err := p.AddTrack(media.Audio, aac)
		require.NoError(t, err)
		made := p.Stream().Choose(media.Audio, onlyOpus)
		made.Attach(&fakeSink{})
		require.Equal(t, 1, <-c.running)
		other := aac
		other.ClockRate = 44_100
		_, err = p.AddTrack(media.Audio, other)
		require.NoError(t, err)
		synctest.Wait()
		require.Len(t, c.running, 2, "one ended, another began")

		c.fail = true
		_, err = p.AddTrack(media.Audio, aac)
		require.NoError(t, err)
		time.Sleep(3*convertAgain + convertAgain/2)
		synctest.Wait()
		require.Len(t, c.running, 2+1+2*4, "what fails is tried again each second")
		p.Close(ErrEnded)
	})
}

func TestShutdownWaitsForConversions(t *testing.T) {
	t.Parallel()
	c := &converter{running: make(chan int, 8)}
	h := New(Config{Converter: c})
	p := publish(t, h, &fakeSource{}, Options{})
	_, err := p.AddTrack(media.Audio, aac)
	require.NoError(t, err)
	p.Stream().Choose(media.Audio, onlyOpus).Attach(&fakeSink{})
	require.Equal(t, 1, <-c.running)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, h.Run(ctx))
	require.Len(t, c.running, 1)
}

func TestSoundThatNoBrowserHears(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		conv Converter
		want int
	}{{"no converter", nil, 1}, {"converter", &converter{}, 0}} {
		h := New(Config{Converter: c.conv})
		p := publish(t, h, &fakeSource{}, Options{})
		_, err := p.AddTrack(media.Audio, aac)
		require.NoError(t, err)
		require.Len(t, p.Stream().Info().Diagnoses, c.want, c.name)
	}
}

// locker takes the stream's lock when it is asked.
type locker struct {
	converter
	stream *Stream
}

func (a *locker) Targets(c media.Codec, t media.Traits) []media.Codec {
	if a.stream != nil {
		a.stream.mu.Lock() // hangs if the hub holds it
		defer a.stream.mu.Unlock()
	}
	return a.converter.Targets(c, t)
}

func TestConverterIsAskedWithNoLockHeld(t *testing.T) {
	t.Parallel()
	a := &locker{}
	h := New(Config{Converter: a})
	p := publish(t, h, &fakeSource{}, Options{})
	a.stream = p.Stream()
	_, err := p.AddTrack(media.Audio, aac)
	require.NoError(t, err)
	require.Len(t, p.Stream().Info().Tracks, 1)
	require.NotNil(t, p.Stream().Choose(media.Audio, onlyOpus))
	p.Close(ErrEnded)
}

// finder publishes what it is asked for, or says why not.
type finder struct {
	h   *Hub
	t   *testing.T
	err error
}

func (f *finder) Find(context.Context, string) error {
	if f.err == nil {
		publish(f.t, f.h, &fakeSource{}, Options{})
	}
	return f.err
}

func TestWatchBringsAStream(t *testing.T) {
	t.Parallel()
	f := &finder{t: t}
	h := New(Config{Finder: f})
	f.h = h
	sub, err := h.Watch(t.Context(), auth.System(auth.Watch, "harbour"))
	require.NoError(t, err)
	info := h.Info("harbour")
	require.Equal(t, 1, info.Held)
	require.Zero(t, info.Viewers, "the server itself is no viewer")
	sub.Close(ErrEnded)
	require.Zero(t, h.Info("harbour").Held)

	f.err = &UnavailableError{Detail: "The camera refuses the password."}
	_, err = h.Watch(t.Context(), auth.System(auth.Watch, "yard"))
	require.ErrorIs(t, err, ErrNotLive)
	require.ErrorContains(t, err, "password")
}

func TestDataMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		var events []Event
		defer h.Observe(observerFunc(func(e Event) { events = append(events, e) }))()
		p := publish(t, h, &fakeSource{}, Options{})
		in, err := p.AddTrack(media.Video, vp8)
		require.NoError(t, err)
		at := time.Now()
		in.Anchor(9000, at)
		require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 9000, Units: [][]byte{{0, 0, 0}}, Keyframe: true}, at))
		events = nil
		require.NoError(t, p.WriteData(Data{Name: "onMetaData", Value: json.RawMessage(`[1]`), At: at.Add(time.Second)}))
		require.Len(t, events, 1)
		require.Equal(t, StreamData, events[0].Kind)
		require.True(t, events[0].Data.Timed)
		require.EqualValues(t, 9000+90_000, events[0].Data.Stamp, "the picture it belongs to")
		require.Equal(t, json.RawMessage(`[1]`), h.Metadata("harbour").Value)
		require.Nil(t, h.Metadata("nobody"))

		require.ErrorIs(t, p.WriteData(Data{Value: json.RawMessage(`{`)}), ErrData)
		require.ErrorIs(t, p.WriteData(Data{Value: json.RawMessage(`"` + strings.Repeat("x", MaxData) + `"`)}), ErrData)
		for range 100 {
			err = p.WriteData(Data{Name: "x", Value: json.RawMessage(`1`)})
		}
		require.ErrorIs(t, err, ErrDataQuick)
		time.Sleep(time.Second)
		require.NoError(t, p.WriteData(Data{Name: "x", Value: json.RawMessage(`1`)}))
		p.Close(ErrEnded)
		require.ErrorIs(t, p.WriteData(Data{Value: json.RawMessage(`1`)}), ErrReplaced)
	})
}

type observerFunc func(Event)

func (f observerFunc) StreamEvent(e Event) { f(e) }

func TestConversionThatFailsIsSaidOnceAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		c := &converter{running: make(chan int, 400), fail: true}
		p := publish(t, New(Config{Converter: c, Log: slog.New(slog.NewTextHandler(&said, nil))}), &fakeSource{}, Options{})
		_, err := p.AddTrack(media.Audio, aac)
		require.NoError(t, err)
		p.Stream().Choose(media.Audio, onlyOpus).Attach(&fakeSink{})
		time.Sleep(90*time.Second + time.Millisecond)
		synctest.Wait()
		require.Greater(t, len(c.running), 100, "it is tried again")
		require.Equal(t, 2, strings.Count(said.String(), "converting failed"))
		p.Close(ErrEnded)
	})
}
