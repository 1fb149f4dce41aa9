package media_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// picture is a frame as an encoder makes it.
type picture struct {
	pts   int64 // in ticks of 90 kHz
	units [][]byte
}

// encode makes four seconds of pictures with a real encoder.
func encode(t *testing.T, args ...string) (list []picture) {
	t.Helper()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not here: ", err)
	}
	args = append([]string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=160x96:r=30:d=4"}, args...)
	out, err := exec.CommandContext(t.Context(), ffmpeg, append(args, "-g", "30", "-threads", "1", "-f", "mpegts", "-")...).Output()
	if err != nil {
		t.Skip("ffmpeg has no such encoder: ", err)
	}
	for _, pes := range videoOf(out) {
		var units h264.AnnexB // H265 is framed alike
		require.NoError(t, units.Unmarshal(pes[9+int(pes[8]):]))
		require.NotZero(t, pes[7]&0x80, "a timestamp")
		p := pes[9:]
		pts := int64(p[0]>>1&7)<<30 | int64(p[1])<<22 | int64(p[2]>>1)<<15 | int64(p[3])<<7 | int64(p[4]>>1)
		list = append(list, picture{pts, units})
	}
	require.Greater(t, len(list), 100)
	return list
}

// videoOf takes the packets of the elementary stream out of an MPEG transport
// stream of ffmpeg, one a picture.
func videoOf(ts []byte) (list [][]byte) {
	const size, video = 188, 0x100
	for ; len(ts) >= size; ts = ts[size:] {
		p := ts[:size]
		if int(p[1]&0x1f)<<8|int(p[2]) != video {
			continue
		}
		body := p[4:]
		if p[3]&0x20 != 0 { // adaptation field
			body = body[1+int(body[0]):]
		}
		if p[1]&0x40 != 0 { // begins one
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], body...)
	}
	return list
}

func TestProbeRealEncoders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args   []string
		chroma string
		b      bool
	}{
		"zerolatency":      {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency"}, "4:2:0", false},
		"default":          {[]string{"-c:v", "libx264", "-preset", "superfast"}, "4:2:0", true},
		"one B-frame":      {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "1"}, "4:2:0", true},
		"4:4:4":            {[]string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "0"}, "4:4:4", false},
		"H265 zerolatency": {[]string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-x265-params", "log-level=none"}, "4:2:0", false},
		"H265 default":     {[]string{"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:bframes=3"}, "4:2:0", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			codec := media.H264
			if slices.Contains(c.args, "libx265") {
				codec = media.H265
			}
			list := encode(t, append(c.args, "-pix_fmt", map[string]string{"4:4:4": "yuv444p", "4:2:0": "yuv420p"}[c.chroma])...)
			frames, packets := media.NewProbe(media.Codec{Name: codec, ClockRate: 90_000}), media.NewProbe(media.Codec{Name: codec, ClockRate: 90_000})
			p, err := media.NewPacketizer(media.Codec{Name: codec})
			require.NoError(t, err)
			sets := media.NewParameterSets(media.Codec{Name: codec})
			found := -1
			for i, pic := range list {
				f := media.Frame{Timestamp: uint32(pic.pts), Arrival: int64(i) * int64(time.Second) / 30, Units: sets.Complete(pic.units)}
				require.NotEmpty(t, f.Units)
				payloads, err := p.Packetize(&f)
				require.NoError(t, err)
				for _, q := range payloads {
					_, key := media.Inspect(codec, q.Bytes)
					f.Keyframe = f.Keyframe || key
					packets.Packet(f.Timestamp, f.Arrival, q.Bytes, key)
				}
				frames.Frame(&f)
				if frames.Traits().BFrames && found < 0 {
					found = i
				}
			}
			for _, got := range []media.Traits{frames.Traits(), packets.Traits()} {
				require.Equal(t, c.b, got.BFrames)
				require.Equal(t, c.chroma, got.Chroma)
				require.Equal(t, [2]int{160, 96}, [2]int{got.Width, got.Height})
				require.InDelta(t, 30, got.FPS, 1.5)
				require.InDelta(t, 1, got.KeyframeInterval.Seconds(), 0.2)
				require.False(t, got.Interlaced)
			}
			if c.b {
				require.Less(t, found, 60, "found within 2 s")
			}
		})
	}
}
