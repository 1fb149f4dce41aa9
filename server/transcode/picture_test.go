package transcode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestSizedOBUs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name     string
		in, want string
	}{
		{"without a size", "\x30abc", "\x32\x03abc"},
		{"with one", "\x32\x03abc", "\x32\x03abc"},
		{"with a padded one", "\x32\x83\x00abc", "\x32\x03abc"},
		{"with an extension", "\x34\x08abc", "\x36\x08\x03abc"},
		{"with both", "\x36\x08\x03abc", "\x36\x08\x03abc"},
		{"what is behind it", "\x32\x01abc", "\x32\x01a"},
		{"a delimiter", "\x12\x00", ""},
		{"padding", "\x78ab", ""},
		{"nothing", "", ""},
		{"no extension", "\x34", ""},
		{"too large a size", "\x32\x04abc", ""},
		{"no size", "\x32", ""},
		{"forbidden", "\xb0abc", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, string(join(sizedOBUs([][]byte{[]byte(c.in)})...)))
		})
	}
}

func FuzzSizedOBUs(f *testing.F) {
	f.Add([]byte("\x32\x83\x00abc"), []byte("\x34\x08abc"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		once := sizedOBUs([][]byte{a, b})
		for i := 0; i < len(once); i += 2 {
			again := sizedOBUs([][]byte{join(once[i : i+2]...)})
			require.Equal(t, join(once[i:i+2]...), join(again...))
		}
		newCoding(media.Codec{Name: media.AV1, ClockRate: videoRate}).begin(&media.Frame{Units: [][]byte{a, b}, Keyframe: true})
	})
}

// Of a picture whose size cannot be believed nothing is begun.
func TestBegin(t *testing.T) {
	t.Parallel()
	vp8 := func(w, h int) []byte {
		return []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
	}
	cases := []struct {
		name          string
		codec         string
		unit          []byte
		ok            bool
		width, height int
	}{
		{"vp8", media.VP8, vp8(641, 361), true, 640, 360},
		{"tiny", media.VP8, vp8(1, 1), true, minSide, minSide},
		{"huge", media.VP8, vp8(16383, 16383), false, 0, 0},
		{"no keyframe", media.VP8, []byte{0x11, 0, 0, 1, 2, 3, 4, 5, 6, 7}, false, 0, 0},
		{"garbage", media.VP9, []byte{1, 2, 3}, false, 0, 0},
		{"av1 without a sequence", media.AV1, []byte{0x30, 1, 2, 3}, false, 0, 0},
		{"av1 beyond us", media.AV1, []byte{0x08, 0xff}, true, unknownWidth, unknownHeight},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := newCoding(media.Codec{Name: c.codec, ClockRate: videoRate})
			track, _, ok := p.begin(&media.Frame{Units: [][]byte{c.unit}, Keyframe: true})
			require.Equal(t, c.ok, ok)
			require.Equal(t, c.width, track.width)
			require.Equal(t, c.height, track.height)
		})
	}
}

// A browser's frame rate and bit rate begin no child, and do not stay with one.
func TestAdaptiveRates(t *testing.T) {
	t.Parallel()
	p := &adaptive{codec: media.Codec{Name: media.VP8}, width: 1280, height: 720}
	slow := p.known(media.Traits{FPS: 7, Bitrate: 90_000}, media.Traits{})
	require.InDelta(t, 30, slow.FPS, 0)
	require.Equal(t, 1280*720*3, bitrate(media.VP8, slow))
	fast := p.known(media.Traits{FPS: 59}, slow)
	require.InDelta(t, 60, fast.FPS, 0)
	require.Equal(t, fast, p.known(media.Traits{FPS: 12}, fast))
	require.Equal(t, 6_000_000, bitrate(media.AV1, media.Traits{Width: 640, Height: 360, FPS: 30, Bitrate: 4_000_000}))
}
