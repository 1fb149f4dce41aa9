package media

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
)

const (
	videoClock = 90_000

	// A parameter set has some ten bytes, with scaling lists some hundred; what
	// is larger does not belong into an SDP.
	maxParameterSet = 4096
	// Encoders that change their pictures' shape on the way have some.
	maxParameterSets = 16

	maxSampleRate = 192_000
)

// ErrFormat says that a codec's format parameters cannot be used.
var ErrFormat = errors.New("unusable format parameters")

// AACCodec returns the codec of raw AAC access units in the configuration c,
// as an SDP names it (RFC 3640 section 4.1, mode AAC-hbr). The clock rate is
// the sample rate that counts 1,024 samples an access unit: with SBR the lower
// one. What AACConfig refuses has no Fmtp.
func AACCodec(c *mpeg4audio.AudioSpecificConfig) Codec {
	codec := Codec{Name: AAC, ClockRate: uint32(max(c.SampleRate, 0)), Channels: aacChannels(c)}
	config, err := c.Marshal()
	if err != nil || usableAAC(c) != nil {
		return codec
	}
	codec.Fmtp = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=" +
		hex.EncodeToString(config)
	return codec
}

// AACConfig returns the configuration of an AAC codec, or ErrFormat.
func (c Codec) AACConfig() (*mpeg4audio.AudioSpecificConfig, error) {
	config, ok := c.parameter("config")
	if !ok {
		return nil, fmt.Errorf("%w: AAC without a config", ErrFormat)
	}
	b, err := hex.DecodeString(config)
	if err != nil || len(b) > maxParameterSet {
		return nil, fmt.Errorf("%w: AAC config %.32q", ErrFormat, config)
	}
	var a mpeg4audio.AudioSpecificConfig
	if err := a.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("%w: AAC config: %w", ErrFormat, err)
	}
	return &a, usableAAC(&a)
}

func usableAAC(a *mpeg4audio.AudioSpecificConfig) error {
	if a.SampleRate <= 0 || a.SampleRate > maxSampleRate {
		return fmt.Errorf("%w: AAC of %d samples a second", ErrFormat, a.SampleRate)
	}
	return nil
}

func aacChannels(a *mpeg4audio.AudioSpecificConfig) uint16 {
	switch {
	case a.ExtensionType == mpeg4audio.ObjectTypePS:
		return 2 // one channel and how to make two of it
	case a.ChannelConfig == 7:
		return 8
	case a.ChannelConfig == 0:
		return uint16(max(a.ChannelCount, 0)) //nolint:staticcheck // what a source set that knows only this
	}
	return uint16(a.ChannelConfig)
}

// H264Codec returns the codec of H264 with these parameter sets; either may be
// empty, when it is not known yet.
func H264Codec(sps, pps []byte) Codec {
	fmtp := "packetization-mode=1"
	if len(sps) >= 4 {
		fmtp += ";profile-level-id=" + hex.EncodeToString(sps[1:4])
	}
	if sets := spropOf(sps, pps); sets != "" {
		fmtp += ";sprop-parameter-sets=" + sets
	}
	return Codec{Name: H264, ClockRate: videoClock, Fmtp: fmtp}
}

// H265Codec returns the codec of H265 with these parameter sets, all three or
// none.
func H265Codec(vps, sps, pps []byte) Codec {
	c := Codec{Name: H265, ClockRate: videoClock}
	if spropOf(vps, sps, pps) != "" {
		c.Fmtp = "sprop-vps=" + spropOf(vps) + ";sprop-sps=" + spropOf(sps) + ";sprop-pps=" + spropOf(pps)
	}
	return c
}

// spropOf writes parameter sets as an SDP does; nothing unless each is usable.
func spropOf(sets ...[]byte) string {
	list := make([]string, len(sets))
	for i, s := range sets {
		if len(s) == 0 || len(s) > maxParameterSet {
			return ""
		}
		list[i] = base64.StdEncoding.EncodeToString(s)
	}
	return strings.Join(list, ",")
}

// ParameterSets returns the parameter sets that the format parameters hold, in
// the order in which a decoder needs them; nil when there are none or one is
// malformed. Other codecs than H264 and H265 have none.
func (c Codec) ParameterSets() [][]byte {
	var sets [][]byte
	for _, key := range spropKeys(c.Name) {
		value, ok := c.parameter(key)
		if !ok {
			continue
		}
		for part := range strings.SplitSeq(value, ",") {
			set, ok := parameterSet(c.Name, part)
			if !ok || len(sets) == maxParameterSets {
				return nil
			}
			sets = append(sets, set)
		}
	}
	return sets
}

func spropKeys(codec string) []string {
	switch codec {
	case H264:
		return []string{"sprop-parameter-sets"}
	case H265:
		return []string{"sprop-vps", "sprop-sps", "sprop-pps"}
	}
	return nil
}

// parameterSet reads one set. Some cameras put the start code of a byte stream
// in front of it.
func parameterSet(codec, text string) ([]byte, bool) {
	if len(text) > maxParameterSet*4/3 {
		return nil, false
	}
	set, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, false
	}
	set = bytes.TrimPrefix(set, []byte{0, 0, 0, 1})
	return set, len(set) > 1 && setKind(codec, set) >= 0
}

// setKind says which parameter set a NAL unit is, in the order in which a
// decoder needs them, -1 when it is none. unit has one byte at least.
func setKind(codec string, unit []byte) int {
	if codec == H264 {
		switch unit[0] & h264TypeMask {
		case h264SPS:
			return 0
		case h264PPS:
			return 1
		}
		return -1
	}
	switch h265Type(unit[0]) {
	case h265VPS:
		return 0
	case h265SPS:
		return 1
	case h265PPS:
		return 2
	}
	return -1
}

// parameter returns one of the format parameters.
func (c Codec) parameter(key string) (value string, ok bool) {
	for part := range strings.SplitSeq(c.Fmtp, ";") {
		name, value, _ := strings.Cut(part, "=")
		if strings.EqualFold(strings.TrimSpace(name), key) {
			return strings.TrimSpace(value), true
		}
	}
	return "", false
}
