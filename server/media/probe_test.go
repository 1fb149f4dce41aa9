package media_test

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// Parameter sets as x264 and x265 write them for 640x360 at 30 pictures a second.
const (
	spsBase       = "6764001eacb201405ff2e022000003000200000300791e2c5c90"   // -bf 0
	spsMixed      = "6764001eacd940a02ff970110000030001000003003c0f162d96"   // B-frames
	sps444        = "67f4001e919640280bfe270110000003001000000303c0f162e480" // yuv444p
	sps422        = "677a001ebcb201405ff1380880000003008000001e078b1724"     // yuv422p
	spsDeep       = "676e001ea6cb201405ff2e0220000003002000000781e2c5c9"     // yuv420p10le
	spsInterlaced = "6764001eace402818fcf8088000003000800000301e0f8a15240"   // interlaced=1
	pps           = "68ebc3cb22c0"
	vps265        = "40010c01ffff01600000030090000003000003003f959809"
	sps265        = "42010101600000030090000003000003003fa00502016965959a4932bc05a020000003002000000303c1" // B-frames
	sps265Deep    = "42010102200000030090000003000003003fa00502016936592a4932bc05a020000003002000000303c1" // 10 bit, no B-frames
	pps265        = "4401c172b46240"
)

const tick = 3000 // of 30 pictures a second

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// source writes pictures into a probe as a source of H264 does.
type source struct {
	t     testing.TB
	probe *media.Probe
	sps   []byte
	at    int64
	tells int
}

func newSource(t testing.TB, sps string) *source {
	return &source{t: t, probe: media.NewProbe(media.Codec{Name: media.H264, ClockRate: 90_000}), sps: unhex(t, sps), at: 1}
}

var (
	idr    = []byte{0x65, 0x88, 0x84}
	sliceP = []byte{0x41, 0x9a, 0x02}
	sliceB = []byte{0x01, 0x9e, 0x02}
)

func (s *source) packet(ts uint32, payload []byte) {
	_, key := media.Inspect(media.H264, payload)
	if s.probe.Packet(ts, s.at, payload, key) {
		s.tells++
	}
}

// second writes 30 pictures: a keyframe, then what picture makes.
func (s *source) second(n int, picture func(i int) (step int, unit []byte)) {
	base := uint32(n * 30 * tick)
	for i := range 30 {
		s.at += int64(time.Second) / 30
		if i == 0 {
			s.packet(base, s.sps)
			s.packet(base, unhex(s.t, pps))
			s.packet(base, idr)
			continue
		}
		step, unit := picture(i)
		s.packet(base+uint32(step*tick), unit)
	}
}

func inOrder(i int) (int, []byte) { return i, sliceP }

// mixed: P and B in turns, each P before the B that is shown before it. The
// last of the second is a P.
func mixed(i int) (int, []byte) {
	switch {
	case i == 29:
		return i, sliceP
	case i%2 == 1:
		return i + 1, sliceP
	}
	return i - 1, sliceB
}

func TestProbeShape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sps  string
		chroma     string
		depth      int
		interlaced bool
		height     int
		plays      bool
	}{
		{"base", spsBase, "4:2:0", 8, false, 360, true},
		{"4:4:4", sps444, "4:4:4", 8, false, 360, false},
		{"4:2:2", sps422, "4:2:2", 8, false, 360, false},
		{"10 bit", spsDeep, "4:2:0", 10, false, 360, false},
		{"interlaced", spsInterlaced, "4:2:0", 8, true, 360, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, c.sps)
			for n := range 5 {
				s.second(n, inOrder)
			}
			got := s.probe.Traits()
			require.Equal(t, 640, got.Width)
			require.Equal(t, c.height, got.Height)
			require.Equal(t, c.chroma, got.Chroma)
			require.Equal(t, c.depth, got.BitDepth)
			require.Equal(t, c.interlaced, got.Interlaced)
			require.InDelta(t, 30, got.FPS, 0.5)
			require.Equal(t, time.Second, got.KeyframeInterval)
			require.Positive(t, got.Bitrate)
			require.False(t, got.BFrames)
			require.Equal(t, c.plays, got.Plays(media.Codec{Name: media.H264}))
			require.LessOrEqual(t, s.tells, 4)

			early := media.NewProbe(media.H264Codec(s.sps, unhex(t, pps))).Traits()
			require.Equal(t, got.Height, early.Height, "known by the format parameters")
			require.Equal(t, got.Chroma, early.Chroma)
		})
	}
}

func TestProbeBFrames(t *testing.T) {
	t.Parallel()
	late := func(i int) (int, []byte) { // a network that brings every fifth picture late
		if i%5 == 4 {
			return i - 2, sliceP
		}
		return i, sliceP
	}
	for _, c := range []struct {
		name, sps string
		picture   func(int) (int, []byte)
		first     bool // with the first keyframe
		last      bool
	}{
		{"none", spsBase, inOrder, false, false},
		{"as the parameters say", spsMixed, mixed, true, true},
		{"though the parameters deny it", spsBase, mixed, false, true},
		{"not, though the parameters allow them", spsMixed, inOrder, true, false},
		{"not, but packets come late", spsBase, late, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSource(t, c.sps)
			s.packet(0, s.sps)
			require.Equal(t, c.first, s.probe.Traits().BFrames)
			for n := range 5 {
				s.second(n, c.picture)
				if n == 1 && c.last {
					require.True(t, s.probe.Traits().BFrames, "found within 2 s")
				}
			}
			require.Equal(t, c.last, s.probe.Traits().BFrames)
			if c.last {
				require.InDelta(t, 30, s.probe.Traits().FPS, 1)
			}
		})
	}
}

func TestProbeBFramesOfH265(t *testing.T) {
	t.Parallel()
	trail := []byte{0x02, 0x01, 0xd0}
	for _, c := range []struct {
		name, sps string
		swap      bool
		want      bool
	}{
		{"mixed", sps265, true, true},
		{"allowed, not used", sps265, false, false},
		{"packets late", sps265Deep, true, false},
	} {
		p := media.NewProbe(media.Codec{Name: media.H265, ClockRate: 90_000})
		for i := range 300 {
			ts := uint32(i * tick)
			if c.swap && i%2 == 1 {
				ts += 2 * tick
			}
			at := int64(i) * int64(time.Second) / 30
			if i%30 == 0 {
				p.Packet(ts, at, unhex(t, c.sps), true)
				continue
			}
			p.Packet(ts, at, trail, false)
		}
		require.Equal(t, c.want, p.Traits().BFrames, c.name)
		require.Equal(t, 640, p.Traits().Width)
		require.Equal(t, 360, p.Traits().Height)
	}
}

// What was lost and sent again has times before those of what came meanwhile,
// on a bad network several times a second.
func TestProbeLatePackets(t *testing.T) {
	t.Parallel()
	trail := []byte{0x02, 0x01, 0xd0}
	for name, sps := range map[string]string{"allowed": sps265, "denied": sps265Deep, "unknown": ""} {
		p := media.NewProbe(media.Codec{Name: media.H265, ClockRate: 90_000})
		for i := range 300 {
			ts, at := uint32(i*tick), int64(i)*int64(time.Second)/30
			switch {
			case i%30 == 0 && sps != "":
				p.Packet(ts, at, unhex(t, sps), true)
			case i%5 == 4: // the next one comes first
			case i%5 == 0 && i > 0:
				p.Packet(ts, at, trail, false)
				p.Late(ts-tick, at, trail, false)
			default:
				p.Packet(ts, at, trail, false)
			}
		}
		require.False(t, p.Traits().BFrames, name)
		p.Late(tick, int64(time.Hour), unhex(t, sps265), true)
		require.Equal(t, 640, p.Traits().Width, "what a late packet says of the shape counts")
	}
}

// Everybody is told of another shape, so a source cannot change it with each
// packet.
func TestProbeShapesThatChangeAllTheTime(t *testing.T) {
	t.Parallel()
	p := media.NewProbe(media.Codec{Name: media.VP8, ClockRate: 90_000})
	changes := 0
	for i := range 300 {
		frame := []byte{0x30, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, byte(i), 0x01}
		f := media.Frame{Timestamp: uint32(i * 300), Arrival: 1 + int64(i)*int64(time.Second)/300, Units: [][]byte{frame}, Keyframe: true}
		if p.Frame(&f) {
			changes++
		}
	}
	require.Positive(t, changes)
	require.Less(t, changes, 10)
}

func TestProbeOtherCodecs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		codec   string
		payload []byte
		w, h    int
	}{
		{media.VP8, []byte{0x90, 0x80, 0x11, 0x30, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01}, 640, 360},
		{media.VP9, []byte{0x08, 0x82, 0x49, 0x83, 0x42, 0x20, 0x27, 0xf0, 0x16, 0x70}, 640, 360},
		{media.AV1, []byte{0x28, 12, 8, 0, 0, 0, 66, 167, 191, 228, 96, 13, 0, 64, 0x30, 0x10}, 1920, 804},
		{media.H264, append([]byte{0x78, 0, byte(len(spsBase) / 2)}, unhex(t, spsBase)...), 640, 360},
		{media.H265, append([]byte{0x60, 0x01, 0, byte(len(sps265) / 2)}, unhex(t, sps265)...), 640, 360},
	} {
		p := media.NewProbe(media.Codec{Name: c.codec, ClockRate: 90_000})
		p.Packet(1, 1, c.payload, true)
		require.Equal(t, [2]int{c.w, c.h}, [2]int{p.Traits().Width, p.Traits().Height}, c.codec)
	}
}

func TestProbeAudio(t *testing.T) {
	t.Parallel()
	aac := media.AACCodec(&mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 44_100, ChannelConfig: 2})
	for _, c := range []struct {
		codec          media.Codec
		rate, channels int
	}{
		{aac, 44_100, 2},
		{media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}, 48_000, 2},
		{media.Codec{Name: media.PCMA, ClockRate: 8_000}, 8_000, 1},
		{media.Codec{Name: media.G722, ClockRate: 8_000}, 16_000, 1},
	} {
		p := media.NewProbe(c.codec)
		payload := make([]byte, 160)
		payload[0] = 0xfc
		for i := range 300 { // 20 ms each
			p.Packet(uint32(i)*c.codec.ClockRate/50, int64(i)*int64(20*time.Millisecond), payload, true)
		}
		got := p.Traits()
		require.Equal(t, c.rate, got.SampleRate, c.codec.Name)
		require.Equal(t, c.channels, got.Channels, c.codec.Name)
		require.InDelta(t, 64_000, got.Bitrate, 2000, c.codec.Name)
		require.Zero(t, got.FPS)
	}
}

func TestProbeLongGOP(t *testing.T) {
	t.Parallel()
	s := newSource(t, spsBase)
	s.second(0, inOrder)
	for i := 30; i < 300; i++ {
		s.at += int64(time.Second) / 30
		s.packet(uint32(i*tick), sliceP)
	}
	require.Greater(t, s.probe.Traits().KeyframeInterval, 6*time.Second, "known before the next keyframe comes")
	require.LessOrEqual(t, s.probe.Traits().KeyframeInterval, 10*time.Second)
}

func TestProbeJump(t *testing.T) {
	t.Parallel()
	s := newSource(t, spsBase)
	for _, n := range []int{0, 1, 2, 100, 101, 102, 3, 4, 5} {
		s.second(n, inOrder)
		require.False(t, s.probe.Traits().BFrames)
	}
	require.InDelta(t, 30, s.probe.Traits().FPS, 1)
	require.Equal(t, time.Second, s.probe.Traits().KeyframeInterval)
}

// Frames and packets of the same stream lead to the same traits.
func TestProbeFrames(t *testing.T) {
	t.Parallel()
	for name, units := range map[string][2][]byte{"B": {sliceP, sliceB}, "P": {sliceP, sliceP}} {
		p := media.NewProbe(media.Codec{Name: media.H264, ClockRate: 90_000})
		for i := range 120 {
			f := media.Frame{Timestamp: uint32(i * tick), Arrival: int64(i) * int64(time.Second) / 30}
			switch {
			case i%30 == 0:
				f.Keyframe, f.Units = true, [][]byte{unhex(t, spsBase), unhex(t, pps), idr}
			case name == "B" && i%2 == 1:
				f.Timestamp += 2 * tick
				f.Units = units[:1]
			default:
				f.Units = units[1:]
			}
			p.Frame(&f)
		}
		require.Equal(t, name == "B", p.Traits().BFrames, name)
		require.Equal(t, 640, p.Traits().Width)
		require.InDelta(t, 30, p.Traits().FPS, 1)
		require.Equal(t, time.Second.Round(time.Millisecond), p.Traits().KeyframeInterval.Round(time.Second))
	}
}

func TestProbeAllocatesNothing(t *testing.T) {
	s := newSource(t, spsBase)
	s.second(0, mixed)
	ts, payload := uint32(40*tick), make([]byte, 1100)
	copy(payload, sliceP)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		ts += 700
		s.at += 7_000_000
		s.probe.Packet(ts/tick*tick, s.at, payload, false)
	}))
	s.at += int64(time.Second)
	require.Zero(t, testing.AllocsPerRun(100, func() { // parameter sets that are known
		s.probe.Packet(ts, s.at, s.sps, true)
	}))
}

func BenchmarkProbe(b *testing.B) {
	s := newSource(b, spsBase)
	s.second(0, inOrder)
	payload := make([]byte, 1100)
	copy(payload, sliceP)
	ts := uint32(40 * tick)
	b.ReportAllocs()
	for b.Loop() {
		ts += 300 // ten packets a picture
		s.at += 3_000_000
		s.probe.Packet(ts/tick*tick, s.at, payload, false)
	}
}
