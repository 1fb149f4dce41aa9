package hub

import (
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

type frameSink struct {
	frames []media.Frame
	closed error
}

func (s *frameSink) WriteFrame(f *media.Frame) { s.frames = append(s.frames, *f) }
func (s *frameSink) Close(reason error)        { s.closed = reason }

func TestFramesAreMadeOfPacketsOnlyWhileSomebodyTakesThem(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	p := publish(t, h, &fakeSource{}, Options{})
	in, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	write := func(seq uint16, ts uint32, descriptor byte, marker bool) {
		in.WritePacket(Incoming{Seq: seq, Timestamp: ts, Marker: marker, Arrival: time.Now(), Payload: []byte{descriptor, 0, byte(seq)}})
	}
	write(1, 0, 0x10, true)
	require.Empty(t, *in.Track().sinks.Load(), "nothing is depacketised that nobody asked for")

	a, b := &frameSink{}, &frameSink{}
	detachA, err := in.Track().AttachFrames(a)
	require.NoError(t, err)
	detachB, err := in.Track().AttachFrames(b)
	require.NoError(t, err)
	require.Len(t, *in.Track().sinks.Load(), 1, "one derivation for all")
	write(2, 3000, 0x10, false)
	write(4, 6000, 0x10, true) // overtook the end of the frame before it
	require.Len(t, a.frames, 1, "the keyframe that is held already")
	write(3, 3000, 0x00, true)
	require.Len(t, a.frames, 3)
	require.Equal(t, [][]byte{{0, 2, 0, 3}}, a.frames[1].Units)
	require.True(t, a.frames[0].Keyframe)
	require.Equal(t, a.frames, b.frames)

	detachA()
	detachB()
	require.Empty(t, *in.Track().sinks.Load())
	write(5, 9000, 0x10, true)
	require.Len(t, a.frames, 3)

	_, err = in.Track().AttachFrames(a)
	require.NoError(t, err)
	p.Close(ErrEnded)
	require.ErrorIs(t, a.closed, ErrEnded)
}

func TestPacketsAreMadeOfFrames(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	p := publish(t, h, &fakeSource{}, Options{})
	in, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	frames, packets := &frameSink{}, &fakeSink{}
	_, err = in.Track().AttachFrames(frames)
	require.NoError(t, err)
	body := append([]byte{0x10, 0}, make([]byte, 3000)...)
	require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 1, Units: [][]byte{body}, Keyframe: true}, time.Now()))
	require.EqualValues(t, firstSeq, in.Track().Ring().Head(), "no packet is made that nobody takes")

	detach := in.Track().Attach(packets)
	require.Len(t, packets.packets, 3, "who comes later begins with the last keyframe")
	require.True(t, packets.packets[0].Keyframe)
	require.True(t, packets.packets[2].Marker)
	require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 3001, Units: [][]byte{body}}, time.Now()))
	require.Len(t, packets.packets, 6)
	require.Len(t, frames.frames, 2, "frames go to frame sinks as they are")

	detach()
	require.NoError(t, in.WriteFrame(media.Frame{Timestamp: 6001, Units: [][]byte{body}}, time.Now()))
	require.Len(t, packets.packets, 6)
	in.Track().Attach(packets)
	require.Len(t, packets.packets, 9, "only what the ring lacks")
	for i, p := range packets.packets {
		require.EqualValues(t, firstSeq+i, p.Seq)
	}
	late := &frameSink{}
	_, err = in.Track().AttachFrames(late)
	require.NoError(t, err)
	require.Equal(t, frames.frames, late.frames)
}
