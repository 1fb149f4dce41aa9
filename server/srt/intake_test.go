package srt

import (
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/srt/ts"
)

func TestStampClock(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	var c stampClock
	const full = 1 << stampBits
	at := int64(full - 90_000)
	require.Equal(t, at, c.extend(at))
	for range 10_000 {
		at += r.Int64N(1<<30) - 1<<28
		require.Equal(t, at, c.extend(((at%full)+full)%full))
	}
	require.Equal(t, int64(3000), apart(1000, full-2000))
	require.Equal(t, int64(-3000), apart(full-2000, 1000))
	require.Equal(t, 100*time.Hour, ticksToTime(timeToTicks(100*time.Hour, 90_000)))
	require.Equal(t, 1000*time.Hour+time.Second/4, ticksTo(timeToTicks(1000*time.Hour+time.Second/4, opusRate), opusRate))
}

// desk is an intake of its own, with a hub behind it.
func desk(t testing.TB) (*intake, *hub.Hub) {
	h := hub.New(hub.Config{})
	x := &session{log: slog.New(slog.DiscardHandler)}
	p, err := h.Publish(auth.System(auth.Publish, "harbour"), source{x}, hub.Options{Proto: "srt"})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(hub.ErrEnded) })
	return &intake{session: x, publication: p, timeline: media.NewTimeline()}, h
}

// kept keeps the frames of a track.
type kept struct{ frames []*media.Frame }

func (k *kept) WriteFrame(f *media.Frame) { k.frames = append(k.frames, f) }
func (k *kept) Close(error)               {}

// Time stamps go on when the 33 bits begin again, for both tracks alike.
func TestIntakeOverTheWrap(t *testing.T) {
	t.Parallel()
	in, h := desk(t)
	d := ts.New(in)
	m := ts.NewMuxer([]ts.Kind{ts.H264, ts.Opus}, 2)
	const start = 1<<stampBits - 45_000
	video, audio := &kept{}, &kept{}
	for i := range 60 {
		at := int64(start + 3000*i)
		units := [][]byte{{0x41, byte(i), 1, 2, 3, 4}}
		if i == 0 {
			units = [][]byte{sps(), {0x68, 0xee, 0x3c, 0x80}, {0x65, 1, 2, 3}}
		}
		b := m.Append(nil, 0, ts.Unit{PTS: at, DTS: at, Data: writePicture(ts.H264, units)}, i == 0)
		sound, err := writeOpus([][]byte{{0xfc, 1}, {0xfc, 2}})
		require.NoError(t, err)
		_, err = d.Write(m.Append(b, 1, ts.Unit{PTS: at, DTS: at, Data: sound}, true))
		require.NoError(t, err)
		if i == 0 {
			require.Len(t, h.Info("harbour").Tracks, 2)
			stream := in.publication.Stream()
			_, err = stream.Track(media.Video).AttachFrames(video)
			require.NoError(t, err)
			_, err = stream.Track(media.Audio).AttachFrames(audio)
			require.NoError(t, err)
		}
	}
	require.GreaterOrEqual(t, len(video.frames), 58)
	for _, step := range pairs(video.frames) {
		require.Equal(t, uint32(3000), step)
	}
	require.Len(t, audio.frames, 118)
	for i, step := range pairs(audio.frames) {
		require.Equal(t, []uint32{960, 640}[i%2], step) // 20 ms within a packet, 33.3 ms between two
	}
}

func pairs(frames []*media.Frame) (steps []uint32) {
	for i := 1; i < len(frames); i++ {
		steps = append(steps, frames[i].Timestamp-frames[i-1].Timestamp)
	}
	return steps
}

func TestIntakeNeedsMedia(t *testing.T) {
	t.Parallel()
	in, _ := desk(t)
	require.ErrorIs(t, in.Program([]ts.Stream{{PID: 1, Name: "AC-3"}, {PID: 2, Kind: ts.Opus, Channels: 6, Taken: true}}), errMedia)
}

// A program that changes with every packet would fill the log, and give all who
// watch other tracks each time.
func TestIntakeOfFicklePrograms(t *testing.T) {
	t.Parallel()
	in, _ := desk(t)
	change := func() error { return in.Program([]ts.Stream{{PID: 1, Kind: ts.H264, Taken: true}}) }
	for range maxHasty {
		require.NoError(t, change())
	}
	in.since = in.since.Add(-2 * programEvery)
	for range maxHasty + 1 {
		require.NoError(t, change())
	}
	require.ErrorIs(t, change(), errFickle)
}

func FuzzIntake(f *testing.F) {
	r := newReel()
	f.Add(slices.Concat(r.next(), r.next(), r.next()))
	aac, _ := writeAAC(testAAC(), [][]byte{{1, 2, 3}, {4, 5, 6}})
	m := ts.NewMuxer([]ts.Kind{ts.H265, ts.AAC}, 2)
	picture := writePicture(ts.H265, [][]byte{{0x40, 1, 2}, {0x42, 1, 3}, {0x44, 1, 4}, {0x26, 1, 5}})
	b := m.Append(nil, 0, ts.Unit{PTS: 6000, DTS: 3000, Data: picture}, true)
	f.Add(m.Append(b, 1, ts.Unit{PTS: 3000, DTS: 3000, Data: aac}, true))
	f.Fuzz(func(t *testing.T, b []byte) {
		in, _ := desk(t)
		d := ts.New(in)
		for chunk := range slices.Chunk(b, payload) {
			if _, err := d.Write(chunk); err != nil {
				return
			}
		}
	})
}

func testAAC() *mpeg4audio.AudioSpecificConfig {
	return &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48_000, ChannelConfig: 2}
}
