package media_test

import (
	"strings"
	"testing"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestAACCodec(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		config   mpeg4audio.AudioSpecificConfig
		channels uint16
		fmtp     string
	}{
		{"stereo", mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48_000, ChannelConfig: 2}, 2, "config=1190"},
		{"5.1", mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 44_100, ChannelConfig: 6}, 6, "config=1230"},
		{"7.1", mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48_000, ChannelConfig: 7}, 8, "config=11b8"},
		{
			"HE-AAC v2",
			mpeg4audio.AudioSpecificConfig{
				Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 24_000, ChannelConfig: 1,
				ExtensionType: mpeg4audio.ObjectTypePS, ExtensionSampleRate: 48_000,
			},
			2, "config=eb098800",
		},
	} {
		codec := media.AACCodec(&c.config)
		require.Equal(t, media.AAC, codec.Name)
		require.Equal(t, uint32(c.config.SampleRate), codec.ClockRate, c.name)
		require.Equal(t, c.channels, codec.Channels, c.name)
		require.Contains(t, codec.Fmtp, c.fmtp, c.name)
		require.Contains(t, codec.Fmtp, "mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;")
		back, err := codec.AACConfig()
		require.NoError(t, err)
		require.Equal(t, c.config.SampleRate, back.SampleRate)
		require.Equal(t, c.config.ChannelConfig, back.ChannelConfig)
	}
	require.Empty(t, media.AACCodec(&mpeg4audio.AudioSpecificConfig{}).Fmtp)
}

func TestAACConfigMalformed(t *testing.T) {
	t.Parallel()
	for _, fmtp := range []string{
		"", "mode=AAC-hbr", "config=", "config=1", "config=zz", "config=ffff", "config=" + strings.Repeat("11", 10_000),
		"config=178000000400", // a sample rate of 0
		"config=17ffffff8400", // of 16 million
	} {
		_, err := media.Codec{Name: media.AAC, ClockRate: 48_000, Fmtp: fmtp}.AACConfig()
		require.ErrorIs(t, err, media.ErrFormat, "%.40s", fmtp)
	}
}

func TestParameterSetsOfCodec(t *testing.T) {
	t.Parallel()
	sps, pps4 := unhex(t, spsBase), unhex(t, pps)
	c := media.H264Codec(sps, pps4)
	require.Equal(t, "packetization-mode=1;profile-level-id=64001e;sprop-parameter-sets=Z2QAHqyyAUBf8uAiAAADAAIAAAMAeR4sXJA=,aOvDyyLA", c.Fmtp)
	require.Equal(t, [][]byte{sps, pps4}, c.ParameterSets())
	require.Equal(t, "packetization-mode=1", media.H264Codec(nil, nil).Fmtp)
	require.Nil(t, media.H264Codec(sps, nil).ParameterSets())

	list := [][]byte{unhex(t, vps265), unhex(t, sps265), unhex(t, pps265)}
	c = media.H265Codec(list[0], list[1], list[2])
	require.Equal(t, list, c.ParameterSets())
	require.Empty(t, media.H265Codec(list[0], nil, nil).Fmtp)
}

func TestParameterSetsMalformed(t *testing.T) {
	t.Parallel()
	for name, fmtp := range map[string]string{
		"not base64":       "sprop-parameter-sets=Z2QA!,aOvDyyLA",
		"empty":            "sprop-parameter-sets=",
		"a slice":          "sprop-parameter-sets=ZYiE",
		"very many":        "sprop-parameter-sets=" + strings.Repeat("aOvDyyLA,", 1000),
		"very long":        "sprop-parameter-sets=" + strings.Repeat("AAAA", 10_000),
		"of another codec": "sprop-sps=Z2QA",
	} {
		require.Nil(t, media.Codec{Name: media.H264, Fmtp: fmtp}.ParameterSets(), name)
	}
	c := media.Codec{Name: media.H264, Fmtp: " Sprop-Parameter-Sets = AAAAAWjrw8siwA== ; x"}
	require.Equal(t, [][]byte{unhex(t, pps)}, c.ParameterSets(), "start code and blanks as some cameras write them")
	require.Nil(t, media.Codec{Name: media.VP8, Fmtp: c.Fmtp}.ParameterSets())
}

func FuzzFormatParameters(f *testing.F) {
	f.Fuzz(func(t *testing.T, name, fmtp string) {
		c := media.Codec{Name: name, ClockRate: 90_000, Fmtp: fmtp}
		for _, set := range c.ParameterSets() {
			if len(set) < 2 {
				t.Fatal("an empty set")
			}
		}
		if a, err := c.AACConfig(); err == nil && media.AACCodec(a).ClockRate == 0 {
			t.Fatal("a clock that stands still")
		}
		media.NewProbe(c).Traits()
		media.NewParameterSets(c)
		_, _ = media.NewDepacketizer(c)
	})
}
