package tag

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"github.com/heliograph/heliograph/server/media"
)

// Encoder writes the messages of one track.
type Encoder struct {
	// set at construction
	codec  media.Codec
	fourCC string // "" for what every player knows, without Enhanced RTMP

	// owned by the caller of Frame
	config []byte // the last that was written
}

// NewEncoder returns the encoder of a codec, or an error for one that RTMP
// cannot carry.
func NewEncoder(c media.Codec) (*Encoder, error) {
	e := &Encoder{codec: c}
	switch c.Name {
	case media.H264, media.AAC, media.PCMA, media.PCMU:
	default:
		if e.fourCC = FourCC(c.Name); e.fourCC == "" {
			return nil, fmt.Errorf("%s cannot be carried by RTMP", c.Name)
		}
	}
	return e, nil
}

// FourCC returns how Enhanced RTMP calls a codec that can only be carried with
// it, "" for any other.
func FourCC(codec string) string {
	switch codec {
	case media.H265:
		return "hvc1"
	case media.AV1:
		return "av01"
	case media.VP9:
		return "vp09"
	case media.Opus:
		return "Opus"
	}
	return ""
}

// Start returns the message with the decoder's configuration as far as it is
// known without a frame; nil when it is not, or there is none.
func (e *Encoder) Start() []byte {
	switch e.codec.Name {
	case media.H264, media.H265:
		e.config = e.setsMessage(e.codec.ParameterSets())
	case media.AAC:
		e.config = e.aacConfig()
	case media.Opus:
		e.config = append([]byte{0x90 | sequenceStart}, "Opus"...)
		e.config = append(e.config, opusHead(e.codec)...)
	case media.VP9:
		e.config = append([]byte{0x90 | sequenceStart}, "vp09"...)
		e.config = append(e.config, vpcC(e.codec)...)
	}
	return e.config
}

// Frame returns the messages of one frame: a configuration first, when the
// frame brings another one than was written; so keyframes of H264 and H265
// must have their parameter sets. offset is its presentation time less its
// decoding time.
func (e *Encoder) Frame(units [][]byte, keyframe bool, offset time.Duration) [][]byte {
	var list [][]byte
	if len(units) == 0 {
		return nil
	}
	if keyframe {
		if c := e.configOf(units); c != nil && !bytes.Equal(c, e.config) {
			e.config = c
			list = append(list, c)
		}
	}
	if e.config == nil && !Plain(e.codec.Name) {
		return nil // nobody could decode it
	}
	return append(list, e.message(units, keyframe, offset))
}

// configOf returns the configuration that a keyframe of video brings.
func (e *Encoder) configOf(units [][]byte) []byte {
	switch e.codec.Name {
	case media.H264, media.H265:
		return e.setsMessage(units)
	case media.AV1:
		for _, u := range units {
			if len(u) > 0 && obuType(u) == av1.OBUTypeSequenceHeader {
				return append([]byte("\x90av01"), av1C(u)...)
			}
		}
	}
	return nil
}

// setsMessage returns the configuration of H264 or H265 with the parameter
// sets among units, nil when they are not all there.
func (e *Encoder) setsMessage(units [][]byte) []byte {
	if e.codec.Name == media.H264 {
		if c := avcC(units); c != nil {
			return append([]byte{0x17, 0, 0, 0, 0}, c...)
		}
		return nil
	}
	if c := hvcC(units); c != nil {
		return append([]byte("\x90hvc1"), c...)
	}
	return nil
}

// message returns one frame.
func (e *Encoder) message(units [][]byte, keyframe bool, offset time.Duration) []byte {
	kind := byte(0x20)
	if keyframe {
		kind = 0x10
	}
	ms := uint32(offset / time.Millisecond)
	composition := []byte{byte(ms >> 16), byte(ms >> 8), byte(ms)}
	switch e.codec.Name {
	case media.H264:
		return withLengths(append([]byte{kind | 7, 1}, composition...), units)
	case media.H265:
		head := append([]byte{0x80 | kind | codedFrames}, e.fourCC...)
		return withLengths(append(head, composition...), units)
	case media.AV1:
		b, err := av1.Bitstream(units).Marshal()
		if err != nil {
			return nil
		}
		return append(append([]byte{0x80 | kind | codedFrames}, e.fourCC...), b...)
	case media.VP9:
		return append(append([]byte{0x80 | kind | codedFrames}, e.fourCC...), units[0]...)
	case media.Opus:
		return append(append([]byte{0x90 | codedFrames}, e.fourCC...), units[0]...)
	case media.AAC:
		return append([]byte{0xaf, 1}, units[0]...)
	case media.PCMA:
		return append([]byte{7<<4 | e.g711()}, units[0]...)
	}
	return append([]byte{8<<4 | e.g711()}, units[0]...) // PCMU
}

// g711 is the size of a sample, and stereo.
func (e *Encoder) g711() byte {
	if e.codec.Channels == 2 {
		return 2 | 1
	}
	return 2
}

func withLengths(b []byte, units [][]byte) []byte {
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(u))), u...)
	}
	return b
}

func (e *Encoder) aacConfig() []byte {
	c, err := e.codec.AACConfig()
	if err != nil {
		return nil
	}
	b, err := c.Marshal()
	if err != nil {
		return nil
	}
	return append([]byte{0xaf, 0}, b...)
}

// avcC is an AVCDecoderConfigurationRecord.
func avcC(units [][]byte) []byte {
	var sps, pps []byte
	for _, u := range units {
		switch {
		case len(u) > 3 && u[0]&31 == 7 && sps == nil:
			sps = u
		case len(u) > 0 && u[0]&31 == 8 && pps == nil:
			pps = u
		}
	}
	if sps == nil || pps == nil {
		return nil
	}
	b := []byte{1, sps[1], sps[2], sps[3], 0xff, 0xe1}
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(sps))), sps...)
	b = append(b, 1)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(pps))), pps...)
}

// hvcC is an HEVCDecoderConfigurationRecord.
func hvcC(units [][]byte) []byte {
	sets := map[h265.NALUType][]byte{}
	order := []h265.NALUType{h265.NALUType_VPS_NUT, h265.NALUType_SPS_NUT, h265.NALUType_PPS_NUT}
	for _, u := range units {
		if len(u) > 2 {
			sets[h265.NALUType(u[0]>>1&0x3f)] = u
		}
	}
	sps := sets[h265.NALUType_SPS_NUT]
	bare := h264.EmulationPreventionRemove(sps)
	var s h265.SPS
	if len(bare) < 15 || s.Unmarshal(sps) != nil {
		return nil
	}
	b := append([]byte{1}, bare[3:15]...) // profile, tier, constraints and level
	b = append(b, 0xf0, 0, 0xfc, 0xfc|byte(s.ChromaFormatIdc), 0xf8|byte(s.BitDepthLumaMinus8), 0xf8|byte(s.BitDepthChromaMinus8),
		0, 0, 0x0f, byte(len(order)))
	for _, kind := range order {
		set := sets[kind]
		if set == nil {
			return nil
		}
		b = append(b, 0x80|byte(kind), 0, 1)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(set))), set...)
	}
	return b
}

// av1C is an AV1CodecConfigurationRecord with its sequence header.
func av1C(header []byte) []byte {
	b := []byte{0x81, 0x08, 0x0c, 0}
	var s av1.SequenceHeader
	if s.Unmarshal(header) == nil && len(s.SeqLevelIdx) > 0 {
		b[1] = s.SeqProfile<<5 | s.SeqLevelIdx[0]&31
		b[2] = flag(s.SeqTier[0], 7) | flag(s.ColorConfig.HighBitDepth, 6) | flag(s.ColorConfig.TwelveBit, 5) |
			flag(s.ColorConfig.MonoChrome, 4) | flag(s.ColorConfig.SubsamplingX, 3) | flag(s.ColorConfig.SubsamplingY, 2)
	}
	with, err := av1.Bitstream{header}.Marshal()
	if err != nil {
		return b
	}
	return append(b, with...)
}

func flag(on bool, bit int) byte {
	if on {
		return 1 << bit
	}
	return 0
}

// vpcC is a VPCodecConfigurationRecord: 4:2:0 with the profile's least depth.
func vpcC(c media.Codec) []byte {
	profile, depth := byte(0), byte(8)
	if _, after, ok := strings.Cut(c.Fmtp, "profile-id="); ok && after != "" && after[0] >= '0' && after[0] <= '3' {
		if profile = after[0] - '0'; profile > 1 {
			depth = 10
		}
	}
	return []byte{1, 0, 0, 0, profile, 10, depth<<4 | 1<<1, 2, 2, 2, 0, 0}
}

// opusHead is an identification header, RFC 7845 section 5.1.
func opusHead(c media.Codec) []byte {
	channels := byte(1)
	if c.Channels == 2 || c.Channels == 0 {
		channels = 2
	}
	b := append([]byte("OpusHead"), 1, channels, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, opusClock)
	return append(b, 0, 0, 0)
}
