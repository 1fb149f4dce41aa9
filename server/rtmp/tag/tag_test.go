package tag

import (
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestVideo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in  string
		out []Tag
	}{
		"nothing":       {"", nil},
		"command":       {"\x57\x00", nil},
		"H264 config":   {"\x17\x00\x00\x00\x00abc", []Tag{{What: Config, Codec: media.H264, Keyframe: true, Payload: []byte("abc")}}},
		"H264 frame":    {"\x27\x01\x00\x00\x28abc", []Tag{{What: Frame, Codec: media.H264, Offset: 40 * time.Millisecond, Payload: []byte("abc")}}},
		"time below":    {"\x27\x01\xff\xff\xffabc", []Tag{{What: Frame, Codec: media.H264, Offset: -time.Millisecond, Payload: []byte("abc")}}},
		"H264 end":      {"\x17\x02\x00\x00\x00", []Tag{{What: End, Codec: media.H264, Keyframe: true, Payload: []byte{}}}},
		"old H265":      {"\x1c\x01\x00\x00\x00a", []Tag{{What: Frame, Codec: media.H265, Keyframe: true, Payload: []byte("a")}}},
		"VP6":           {"\x14", []Tag{{What: Other, Codec: "VP6", Keyframe: true}}},
		"H265 frame":    {"\x91hvc1\x00\x00\x14a", []Tag{{What: Frame, Codec: media.H265, Keyframe: true, Offset: 20 * time.Millisecond, Payload: []byte("a")}}},
		"H265 frame X":  {"\xa3hvc1a", []Tag{{What: Frame, Codec: media.H265, Payload: []byte("a")}}},
		"AV1 config":    {"\x90av01a", []Tag{{What: Config, Codec: media.AV1, Keyframe: true, Payload: []byte("a")}}},
		"VP9 frame":     {"\xa1vp09a", []Tag{{What: Frame, Codec: media.VP9, Payload: []byte("a")}}},
		"metadata":      {"\x94hvc1a", []Tag{{What: Other, Codec: media.H265, Keyframe: true, Payload: []byte("a")}}},
		"unknown":       {"\xa1abcda", []Tag{{What: Frame, Codec: `"abcd"`, Payload: []byte("a")}}},
		"one of many":   {"\xa6\x01vp09\x02a", []Tag{{What: Frame, Codec: media.VP9, Track: 2, Payload: []byte("a")}}},
		"two of many":   {"\xa6\x11vp09\x00\x00\x00\x01a\x01\x00\x00\x01b", []Tag{{What: Frame, Codec: media.VP9, Payload: []byte("a")}, {What: Frame, Codec: media.VP9, Track: 1, Payload: []byte("b")}}},
		"many codecs":   {"\xa6\x21vp09\x00\x00\x00\x01aav01\x01\x00\x00\x01b", []Tag{{What: Frame, Codec: media.VP9, Payload: []byte("a")}, {What: Frame, Codec: media.AV1, Track: 1, Payload: []byte("b")}}},
		"modified":      {"\xa7\x02\x00\x00\x64\x01vp09a", []Tag{{What: Frame, Codec: media.VP9, Offset: 100, Payload: []byte("a")}}},
		"much modified": {"\xa7\xff\x00\x02abc\x11vp09a", []Tag{{What: Frame, Codec: media.VP9, Payload: []byte("a")}}},
	} {
		got, err := Video([]byte(c.in))
		require.NoError(t, err, name)
		for i := range c.out {
			c.out[i].Kind = media.Video
		}
		require.Equal(t, c.out, got, name)
	}
}

func TestAudio(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in  string
		out Tag
	}{
		"AAC config":  {"\xaf\x00ab", Tag{What: Config, Codec: media.AAC, Stereo: true, Payload: []byte("ab")}},
		"AAC frame":   {"\xaf\x01ab", Tag{What: Frame, Codec: media.AAC, Stereo: true, Payload: []byte("ab")}},
		"MP3":         {"\x2fab", Tag{What: Frame, Codec: "MP3", Stereo: true, Payload: []byte("ab")}},
		"G711":        {"\x82ab", Tag{What: Frame, Codec: media.PCMU, Payload: []byte("ab")}},
		"Opus config": {"\x90Opusab", Tag{What: Config, Codec: media.Opus, Payload: []byte("ab")}},
		"Opus frame":  {"\x91Opusab", Tag{What: Frame, Codec: media.Opus, Payload: []byte("ab")}},
		"channels":    {"\x94Opusab", Tag{What: Other, Codec: media.Opus, Payload: []byte("ab")}},
		"many":        {"\x95\x01mp4a\x00ab", Tag{What: Frame, Codec: media.AAC, Payload: []byte("ab")}},
	} {
		got, err := Audio([]byte(c.in))
		require.NoError(t, err, name)
		c.out.Kind, c.out.Keyframe = media.Audio, true
		c.out.Stereo = c.out.Stereo || c.in[0]&1 != 0
		require.Equal(t, []Tag{c.out}, got, name)
	}
	none, err := Audio(nil)
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"\x17\x01\x00", "\x91hv", "\x91hvc1\x00", "\xa6", "\xa6\x01vp", "\xa6\x11vp09\x00\x00",
		"\xa6\x11vp09\x00\x00\x00\x09a", "\xa6\x21vp", "\xa7", "\xa7\x05a", "\xa7\xff\x00", "\xa7\x00a"} {
		_, err := Video([]byte(in))
		require.ErrorIs(t, err, ErrMalformed, "%q", in)
	}
	_, err := Audio([]byte{0xaf})
	require.ErrorIs(t, err, ErrMalformed)
	for _, in := range []string{"\x08\x00\x00", "\x08\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00a"} {
		_, err := Aggregate(0, []byte(in))
		require.ErrorIs(t, err, ErrMalformed)
	}
}

var (
	spsH264 = []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xf0, 0x3c, 0x60, 0xc9, 0x20}
	ppsH264 = []byte{0x68, 0xcb, 0x83, 0xcb}
	vpsH265 = []byte{0x40, 0x01, 0x0c, 0x01, 0xff, 0xff, 0x02, 0x20, 0, 0, 3, 0, 0xb0, 0, 0, 3, 0, 0, 3, 0, 0x7b, 0x18, 0xb0, 0x24}
	spsH265 = []byte{
		0x42, 0x01, 0x01, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0xb0, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x7b, 0xa0, 0x07, 0x82, 0x00, 0x88, 0x7d,
		0xb6, 0x71, 0x8b, 0x92, 0x44, 0x80, 0x53, 0x88, 0x88, 0x92, 0xcf, 0x24, 0xa6, 0x92, 0x72, 0xc9, 0x12, 0x49, 0x22, 0xdc, 0x91, 0xaa, 0x48, 0xfc,
		0xa2, 0x23, 0xff, 0x00, 0x01, 0x00, 0x01, 0x6a, 0x02, 0x02, 0x02, 0x01,
	}
	ppsH265   = []byte{0x44, 0x01, 0xc0, 0x25, 0x2f, 0x05, 0x32, 0x40}
	headerAV1 = []byte{0x08, 0x00, 0x00, 0x00, 0x42, 0xab, 0xbf, 0xc3, 0x70, 0x0b, 0xe0, 0x01}
)

// What the encoder writes the reader reads, for each codec.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	aac := media.AACCodec(&mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2})
	for name, c := range map[string]struct {
		codec media.Codec
		units [][]byte
		early bool // the configuration is known without a frame
	}{
		"H264":         {media.H264Codec(spsH264, ppsH264), [][]byte{spsH264, ppsH264, {0x65, 1}}, true},
		"H264 in band": {media.H264Codec(nil, nil), [][]byte{spsH264, ppsH264, {0x65, 1}}, false},
		"H265":         {media.H265Codec(vpsH265, spsH265, ppsH265), [][]byte{vpsH265, spsH265, ppsH265, {0x26, 1, 2}}, true},
		"H265 in band": {media.H265Codec(nil, nil, nil), [][]byte{vpsH265, spsH265, ppsH265, {0x26, 1, 2}}, false},
		"AV1":          {media.Codec{Name: media.AV1, ClockRate: 90000}, [][]byte{headerAV1, {0x32 &^ 2, 1, 2}}, false},
		"VP9":          {media.Codec{Name: media.VP9, ClockRate: 90000, Fmtp: "profile-id=2"}, [][]byte{{0x82, 1, 2}}, true},
		"AAC":          {aac, [][]byte{{1, 2, 3}}, true},
		"Opus":         {media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "sprop-stereo=1"}, [][]byte{{0xfc, 2, 3}}, true},
		"PCMA":         {media.Codec{Name: media.PCMA, ClockRate: 8000, Channels: 1}, [][]byte{{1, 2, 3}}, false},
		"PCMU stereo":  {media.Codec{Name: media.PCMU, ClockRate: 8000, Channels: 2}, [][]byte{{1, 2, 3}}, false},
	} {
		e, err := NewEncoder(c.codec)
		require.NoError(t, err, name)
		start := e.Start()
		require.Equal(t, c.early, start != nil, name)
		bodies := e.Frame(c.units, true, 40*time.Millisecond)
		if start != nil {
			bodies = append([][]byte{start}, bodies...)
		}
		parse := Video
		if c.codec.Channels > 0 {
			parse = Audio
		}
		var d *Decoder
		for _, b := range bodies {
			tags, err := parse(b)
			require.NoError(t, err, name)
			require.Len(t, tags, 1, name)
			require.Equal(t, c.codec.Name, tags[0].Codec, name)
			if tags[0].What == Config || d == nil && Plain(c.codec.Name) {
				d, err = NewDecoder(tags[0])
				require.NoError(t, err, name)
			}
			if tags[0].What != Frame {
				continue
			}
			units, key, err := d.Units(tags[0])
			require.NoError(t, err, name)
			require.True(t, key, name)
			require.Equal(t, c.units, units, name)
		}
		if c.early || Plain(c.codec.Name) {
			require.Equal(t, c.codec, d.Codec, name)
		}
		require.Len(t, e.Frame(c.units, true, 0), 1, "the configuration is not repeated: %s", name)
	}
	_, err := NewEncoder(media.Codec{Name: media.VP8})
	require.Error(t, err)
}

// A keyframe of AV1 without a sequence header gets that of the configuration,
// and one that is not marked is found.
func TestAV1(t *testing.T) {
	t.Parallel()
	d, err := NewDecoder(Tag{Codec: media.AV1, Payload: append([]byte{0x81, 8, 12, 0, 0x0a, byte(len(headerAV1) - 1)}, headerAV1[1:]...)})
	require.NoError(t, err)
	units, _, err := d.Units(Tag{Codec: media.AV1, Keyframe: true, Payload: []byte{0x12, 0, 0x32, 1, 7}})
	require.NoError(t, err)
	require.Equal(t, [][]byte{headerAV1, {0x30, 7}}, units)
	_, key, err := d.Units(Tag{Codec: media.AV1, Payload: []byte{0x0a, 1, 7, 0x36, 8, 1, 7}})
	require.NoError(t, err)
	require.True(t, key)
	_, _, err = d.Units(Tag{Codec: media.AV1, Payload: []byte{0x32, 9, 7}})
	require.ErrorIs(t, err, ErrMalformed)
}

func FuzzTag(f *testing.F) {
	for _, s := range []string{"\x17\x00\x00\x00\x00abc", "\x27\x01\x00\x00\x28abc", "\xa6\x21vp09\x00\x00\x00\x01aav01\x01\x00\x00\x01b",
		"\xa7\x02\x00\x00\x64\x01vp09a", "\xaf\x00\x11\x90", "\x90OpusOpusHead\x01\x02\x00\x00\x80\xbb\x00\x00\x00\x00\x00", "\x90av01\x81\x08\x0c\x00\x0a\x01\x01"} {
		f.Add([]byte(s), []byte("\x00\x00\x00\x01\x65"))
	}
	for _, c := range []media.Codec{media.H264Codec(spsH264, ppsH264), media.H265Codec(vpsH265, spsH265, ppsH265)} {
		e, _ := NewEncoder(c)
		f.Add(e.Start(), []byte("\x00\x00\x00\x02\x26\x01"))
	}
	f.Fuzz(func(t *testing.T, config, frame []byte) {
		for _, parse := range []func([]byte) ([]Tag, error){Video, Audio} {
			tags, err := parse(config)
			if err != nil {
				continue
			}
			for _, g := range tags {
				d, err := NewDecoder(g)
				if err != nil {
					continue
				}
				g.Payload = frame
				units, key, err := d.Units(g)
				if err != nil {
					continue
				}
				e, err := NewEncoder(d.Codec)
				if err != nil {
					continue
				}
				e.Start()
				e.Frame(units, key, 0)
			}
		}
		_, _ = Aggregate(0, config)
	})
}
