package media_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestDiagnose(t *testing.T) {
	t.Parallel()
	good := media.Traits{Width: 1280, Height: 720, Chroma: "4:2:0", BitDepth: 8, KeyframeInterval: time.Second}
	with := func(change func(*media.Traits)) media.Traits {
		t := good
		change(&t)
		return t
	}
	for _, c := range []struct {
		name   string
		kind   media.Kind
		codec  string
		traits media.Traits
		codes  []string
		plays  bool
	}{
		{"good", media.Video, media.H264, good, nil, true},
		{"not known yet", media.Video, media.H264, media.Traits{}, nil, true},
		{"B-frames", media.Video, media.H264, with(func(t *media.Traits) { t.BFrames = true }), []string{"b_frames"}, false},
		{"interlaced", media.Video, media.H264, with(func(t *media.Traits) { t.Interlaced = true }), []string{"interlaced"}, false},
		{"4:4:4", media.Video, media.H264, with(func(t *media.Traits) { t.Chroma = "4:4:4" }), []string{"chroma"}, false},
		{"10 bit", media.Video, media.H264, with(func(t *media.Traits) { t.BitDepth = 10 }), []string{"chroma"}, false},
		{"10 bit AV1", media.Video, media.AV1, with(func(t *media.Traits) { t.BitDepth = 10 }), nil, true},
		{"H265", media.Video, media.H265, good, []string{"h265"}, true},
		{"H265 with B-frames", media.Video, media.H265, with(func(t *media.Traits) { t.BFrames = true }), []string{"h265", "b_frames"}, false},
		{"MJPEG", media.Video, media.MJPEG, media.Traits{}, []string{"mjpeg"}, true},
		{"MPEG-4 video", media.Video, "MP4V-ES", media.Traits{}, []string{"codec"}, true},
		{"MP3", media.Audio, "MPA", media.Traits{}, []string{"codec"}, true},
		{"AAC", media.Audio, media.AAC, media.Traits{SampleRate: 48_000}, nil, true},
		{"10 s between keyframes", media.Video, media.H264, with(func(t *media.Traits) { t.KeyframeInterval = 10 * time.Second }), []string{"long_gop"}, true},
		{"4 s between keyframes", media.Video, media.H264, with(func(t *media.Traits) { t.KeyframeInterval = 4 * time.Second }), nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			codec := media.Codec{Name: c.codec}
			var codes []string
			for _, d := range media.Diagnose(c.kind, codec, c.traits) {
				codes = append(codes, d.Code)
				require.Equal(t, c.kind.String(), d.Kind)
				require.NotEmpty(t, d.Text)
				require.Contains(t, d.Fix, "ffmpeg")
				require.Less(t, len(d.Text), 220)
				require.NotContains(t, d.Text+d.Fix, "!")
			}
			require.Equal(t, c.codes, codes)
			require.Equal(t, c.plays, c.traits.Plays(codec))
		})
	}
}
