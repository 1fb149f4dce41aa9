package media_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

type payload struct {
	name       string
	payload    []byte
	start, key bool
}

func check(t *testing.T, codec string, cases []payload) {
	t.Helper()
	t.Parallel()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			start, key := media.Inspect(codec, c.payload)
			require.Equal(t, c.start, start, "start")
			require.Equal(t, c.key, key, "keyframe")
		})
	}
}

func TestInspectVP8(t *testing.T) {
	check(t, media.VP8, []payload{
		{"RFC 7741 4.5.1: key frame, no extension", []byte{0x10, 0x50, 0x3c, 0x00, 0x9d, 0x01, 0x2a}, true, true},
		{"RFC 7741 4.5.2: continued partition", []byte{0x00, 0x50, 0x3c}, false, false},
		{"RFC 7741 4.5.3: second partition", []byte{0x11, 0x50}, false, false},
		{"short picture ID, inter frame", []byte{0x90, 0x80, 0x11, 0x31}, true, false},
		{"short picture ID, key frame", []byte{0x90, 0x80, 0x11, 0x30}, true, true},
		{"long picture ID, key frame", []byte{0x90, 0x80, 0x80, 0x11, 0x50}, true, true},
		{"all fields, key frame", []byte{0x90, 0xf0, 0xff, 0xff, 0x01, 0x20, 0x50}, true, true},
		{"all fields, inter frame", []byte{0x90, 0xf0, 0xff, 0xff, 0x01, 0x20, 0x51}, true, false},
		{"key index without layer, key frame", []byte{0x90, 0x10, 0x07, 0x50}, true, true},
		{"non-reference bit", []byte{0x30, 0x51}, true, false},
		{"descriptor longer than the packet", []byte{0x90, 0xf0, 0xff}, false, false},
		{"descriptor only", []byte{0x90, 0x80, 0x11}, false, false},
		{"one byte", []byte{0x10}, false, false},
		{"nothing", nil, false, false},
	})
}

func TestInspectVP9(t *testing.T) {
	check(t, media.VP9, []payload{
		{"key picture, no fields", []byte{0x08, 0x82}, true, true},
		{"inter picture", []byte{0xc8, 0x11, 0x86}, true, false},
		{"end of a key picture", []byte{0x84, 0x11, 0x00}, false, true},
		{"long ID, layer 0 begins", []byte{0xa8, 0x80, 0x11, 0x00, 0x01}, true, true},
		{"long ID, upper layer of a key picture", []byte{0xa8, 0x80, 0x11, 0x03, 0x01}, false, false},
		{"layer 0 with a temporal layer", []byte{0xe8, 0x11, 0x40, 0x01}, true, false},
		{"layers missing", []byte{0xa8, 0x11}, false, false},
		{"long ID cut", []byte{0xa8, 0x80}, false, false},
		{"one byte", []byte{0x08}, false, false},
		{"nothing", nil, false, false},
	})
}

func TestInspectH264(t *testing.T) {
	check(t, media.H264, []payload{
		{"SPS", []byte{0x67, 0x42, 0xc0, 0x1f}, true, true},
		{"PPS", []byte{0x68, 0xce}, true, false},
		{"access unit delimiter", []byte{0x09, 0xf0}, true, false},
		{"SEI", []byte{0x06, 0x05}, true, false},
		{"IDR, first slice", []byte{0x65, 0x88, 0x84}, true, true},
		{"IDR, second slice", []byte{0x65, 0x40}, false, true},
		{"P, first slice", []byte{0x41, 0x9a}, true, false},
		{"P, second slice", []byte{0x41, 0x42}, false, false},
		{"filler", []byte{0x0c, 0xff}, false, false},
		{"STAP-A: SPS, PPS, IDR", []byte{0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88}, true, true},
		{"STAP-A: delimiter, P", []byte{0x78, 0, 2, 0x09, 0xf0, 0, 2, 0x41, 0x9a}, true, false},
		{"STAP-A: second slices, IDR last", []byte{0x78, 0, 2, 0x65, 0x40, 0, 2, 0x65, 0x20}, false, true},
		{"STAP-A: size beyond the packet", []byte{0x78, 0, 2, 0x67, 0x42, 0xff, 0xff, 0x65}, true, true},
		{"STAP-A: size beyond the packet at once", []byte{0x78, 0xff, 0xff, 0x67}, false, false},
		{"STAP-A: empty unit", []byte{0x78, 0, 0, 0, 2, 0x67, 0x42}, false, false},
		{"FU-A: IDR begins", []byte{0x7c, 0x85, 0x88}, true, true},
		{"FU-A: IDR goes on", []byte{0x7c, 0x05, 0x88}, false, true},
		{"FU-A: IDR ends", []byte{0x7c, 0x45, 0x88}, false, true},
		{"FU-A: P begins", []byte{0x5c, 0x81, 0x9a}, true, false},
		{"FU-A: P goes on", []byte{0x5c, 0x01, 0x9a}, false, false},
		{"FU-A: second slice begins", []byte{0x5c, 0x81, 0x42}, false, false},
		{"FU-A: nothing behind the header", []byte{0x7c, 0x85}, false, true},
		{"STAP-B is not negotiated", []byte{0x79, 0, 0, 0, 2, 0x67, 0x42}, false, false},
		{"one byte", []byte{0x67}, false, false},
		{"nothing", nil, false, false},
	})
}

func TestInspectH265(t *testing.T) {
	check(t, media.H265, []payload{
		{"VPS", []byte{0x40, 0x01, 0x0c}, true, true},
		{"SPS", []byte{0x42, 0x01, 0x01}, true, true},
		{"PPS", []byte{0x44, 0x01, 0xc1}, true, false},
		{"delimiter", []byte{0x46, 0x01, 0x50}, true, false},
		{"prefix SEI", []byte{0x4e, 0x01, 0x05}, true, false},
		{"suffix SEI", []byte{0x50, 0x01, 0x05}, false, false},
		{"IDR_W_RADL, first slice", []byte{0x26, 0x01, 0xaf}, true, true},
		{"CRA, first slice", []byte{0x2a, 0x01, 0x80}, true, true},
		{"IDR, second slice", []byte{0x26, 0x01, 0x2f}, false, true},
		{"TRAIL_R, first slice", []byte{0x02, 0x01, 0xd0}, true, false},
		{"TRAIL_R, second slice", []byte{0x02, 0x01, 0x50}, false, false},
		{"AP: VPS, SPS", []byte{0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01}, true, true},
		{"AP: delimiter, TRAIL", []byte{0x60, 0x01, 0, 3, 0x46, 0x01, 0x50, 0, 3, 0x02, 0x01, 0xd0}, true, false},
		{"AP: size beyond the packet", []byte{0x60, 0x01, 0, 9, 0x40, 0x01}, false, false},
		{"AP: unit without a header", []byte{0x60, 0x01, 0, 1, 0x40, 0, 3, 0x42, 0x01, 0x01}, false, false},
		{"FU: IDR begins", []byte{0x62, 0x01, 0x93, 0xaf}, true, true},
		{"FU: IDR goes on", []byte{0x62, 0x01, 0x13, 0xaf}, false, true},
		{"FU: TRAIL begins", []byte{0x62, 0x01, 0x81, 0xd0}, true, false},
		{"FU: nothing behind the header", []byte{0x62, 0x01, 0x93}, false, true},
		{"header only", []byte{0x40, 0x01}, false, false},
		{"nothing", nil, false, false},
	})
}

func TestInspectAV1(t *testing.T) {
	check(t, media.AV1, []payload{
		{"N, W=2: sequence header, frame", []byte{0x28, 0x02, 0x08, 0x00, 0x30, 0x10}, true, true},
		{"N, W=1: sequence header", []byte{0x18, 0x08, 0x00}, true, true},
		{"N, W=0: sequence header", []byte{0x08, 0x02, 0x08, 0x00}, true, true},
		{"N, padded length", []byte{0x08, 0x82, 0x80, 0x80, 0x00, 0x08, 0x00}, true, true},
		{"W=1: inter frame", []byte{0x10, 0x30, 0x10}, true, false},
		{"W=1: frame goes on in the next packet", []byte{0x50, 0x30, 0x10}, true, false},
		{"Z: goes on from the packet before", []byte{0x90, 0x30, 0x10}, false, false},
		{"Z and N together are not allowed", []byte{0x98, 0x08, 0x00}, false, false},
		{"tile group", []byte{0x10, 0x20, 0x10}, false, false},
		{"frame of spatial layer 1", []byte{0x10, 0x34, 0x08, 0x10}, false, false},
		{"frame of spatial layer 0, temporal layer 1", []byte{0x10, 0x34, 0x20, 0x10}, true, false},
		{"extension cut", []byte{0x10, 0x34}, false, false},
		{"length beyond the packet", []byte{0x08, 0x09, 0x08}, false, false},
		{"length without end", []byte{0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false, false},
		{"empty element", []byte{0x08, 0x00, 0x08}, false, false},
		{"header only", []byte{0x18}, false, false},
		{"nothing", nil, false, false},
	})
}

func TestInspectAudio(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{media.Opus, media.AAC, media.G722, media.PCMU, media.PCMA} {
		start, key := media.Inspect(codec, nil)
		require.True(t, start && key, codec)
	}
}

func TestInspectUnknown(t *testing.T) {
	t.Parallel()
	start, key := media.Inspect("MP2T", []byte{0x47, 0x10})
	require.False(t, start || key)
}

func TestKindString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "audio", media.Audio.String())
	require.Equal(t, "video", media.Video.String())
	require.Equal(t, "unknown", media.Kind(0).String())
}

func TestInspectAllocatesNothing(t *testing.T) {
	payload := []byte{0x78, 0, 2, 0x67, 0x42, 0, 2, 0x68, 0xce, 0, 2, 0x65, 0x88}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, codec := range videoCodecs {
			media.Inspect(codec, payload)
		}
	}))
}

func BenchmarkInspect(b *testing.B) {
	payload := []byte{0x7c, 0x85, 0x88, 0x84, 0x00}
	b.ReportAllocs()
	for b.Loop() {
		media.Inspect(media.H264, payload)
	}
}
