package tag

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"

	"github.com/heliograph/heliograph/server/media"
)

const (
	videoClock = 90_000
	opusClock  = 48_000
	g711Clock  = 8_000

	maxUnits = 1024 // NAL units of one frame
	maxSets  = 64   // parameter sets of one configuration
)

// Decoder is how the frames of one track are to be read, as its configuration
// says.
type Decoder struct {
	Codec media.Codec

	length int    // bytes of the length before each NAL unit
	header []byte // AV1: the sequence header
}

// NewDecoder reads the configuration in t. It returns an error when it does
// not parse, or when media has no such codec.
func NewDecoder(t Tag) (*Decoder, error) {
	switch t.Codec {
	case media.H264:
		return newH264(t.Payload)
	case media.H265:
		return newH265(t.Payload)
	case media.AV1:
		return newAV1(t.Payload)
	case media.VP9:
		return newVP9(t.Payload), nil
	case media.VP8:
		return &Decoder{Codec: media.Codec{Name: media.VP8, ClockRate: videoClock}}, nil
	case media.AAC:
		return newAAC(t.Payload)
	case media.Opus:
		return newOpus(t.Payload)
	case media.PCMA, media.PCMU:
		channels := uint16(1)
		if t.Stereo {
			channels = 2
		}
		return &Decoder{Codec: media.Codec{Name: t.Codec, ClockRate: g711Clock, Channels: channels}}, nil
	}
	return nil, fmt.Errorf("%s cannot be carried", t.Codec)
}

// Plain tells whether a codec's frames come without a configuration.
func Plain(codec string) bool {
	return codec == media.PCMA || codec == media.PCMU || codec == media.VP8
}

// newH264 reads an AVCDecoderConfigurationRecord, ISO 14496-15 section 5.3.3.
func newH264(b []byte) (*Decoder, error) {
	if len(b) < 7 {
		return nil, fmt.Errorf("%w: H264 configuration of %d bytes", ErrMalformed, len(b))
	}
	d := &Decoder{length: int(b[4]&3) + 1}
	sps, rest, err := firstSet(b[6:], int(b[5]&31))
	if err != nil || len(rest) == 0 {
		return nil, fmt.Errorf("%w: H264 configuration", ErrMalformed)
	}
	pps, _, err := firstSet(rest[1:], int(rest[0]))
	if err != nil {
		return nil, err
	}
	var parsed h264.SPS
	if len(sps) < 4 || parsed.Unmarshal(sps) != nil {
		return nil, fmt.Errorf("%w: H264 sequence parameter set", ErrMalformed)
	}
	d.Codec = media.H264Codec(sps, pps)
	return d, nil
}

// firstSet reads n parameter sets and returns the first.
func firstSet(b []byte, n int) (set, rest []byte, err error) {
	if n > maxSets {
		return nil, nil, fmt.Errorf("%w: %d parameter sets", ErrMalformed, n)
	}
	for i := range n {
		size, after, err := take(b, 2)
		if err != nil {
			return nil, nil, err
		}
		one, after, err := take(after, int(binary.BigEndian.Uint16(size)))
		if err != nil {
			return nil, nil, err
		}
		if i == 0 {
			set = one
		}
		b = after
	}
	return set, b, nil
}

// newH265 reads an HEVCDecoderConfigurationRecord, ISO 14496-15 section 8.3.3.
func newH265(b []byte) (*Decoder, error) {
	const fixed = 23
	if len(b) < fixed || int(b[22]) > maxSets {
		return nil, fmt.Errorf("%w: H265 configuration of %d bytes", ErrMalformed, len(b))
	}
	d := &Decoder{length: int(b[21]&3) + 1}
	sets := map[h265.NALUType][]byte{}
	arrays, b := int(b[22]), b[fixed:]
	for range arrays {
		head, rest, err := take(b, 3)
		if err != nil {
			return nil, err
		}
		set, rest, err := firstSet(rest, int(binary.BigEndian.Uint16(head[1:])))
		if err != nil {
			return nil, err
		}
		sets[h265.NALUType(head[0]&0x3f)] = set
		b = rest
	}
	vps, sps, pps := sets[h265.NALUType_VPS_NUT], sets[h265.NALUType_SPS_NUT], sets[h265.NALUType_PPS_NUT]
	var parsed h265.SPS
	if len(sps) > 0 && (len(sps) < 13 || parsed.Unmarshal(sps) != nil) {
		return nil, fmt.Errorf("%w: H265 sequence parameter set", ErrMalformed)
	}
	d.Codec = media.H265Codec(vps, sps, pps)
	return d, nil
}

// newAV1 reads an AV1CodecConfigurationRecord.
func newAV1(b []byte) (*Decoder, error) {
	d := &Decoder{Codec: media.Codec{Name: media.AV1, ClockRate: videoClock}}
	if len(b) <= 4 {
		return d, nil // the sequence header comes with the keyframes
	}
	obus, err := openOBUs(b[4:])
	if err != nil {
		return nil, err
	}
	for _, o := range obus {
		if obuType(o) == av1.OBUTypeSequenceHeader {
			d.header = bytes.Clone(o)
		}
	}
	return d, nil
}

// newVP9 reads a VPCodecConfigurationRecord, in the box's format: version and
// flags, then the profile.
func newVP9(b []byte) *Decoder {
	c := media.Codec{Name: media.VP9, ClockRate: videoClock}
	if len(b) > 4 && b[4] <= 3 {
		c.Fmtp = fmt.Sprintf("profile-id=%d", b[4])
	}
	return &Decoder{Codec: c}
}

func newAAC(b []byte) (*Decoder, error) {
	var c mpeg4audio.AudioSpecificConfig
	if len(b) > 64 {
		b = b[:64] // some encoders append what nobody reads
	}
	if err := c.Unmarshal(b); err != nil {
		return nil, fmt.Errorf("%w: AAC configuration: %w", ErrMalformed, err)
	}
	codec := media.AACCodec(&c)
	if codec.Fmtp == "" || codec.ClockRate == 0 {
		return nil, fmt.Errorf("%w: AAC configuration", ErrMalformed)
	}
	return &Decoder{Codec: codec}, nil
}

// newOpus reads an identification header, RFC 7845 section 5.1.
func newOpus(b []byte) (*Decoder, error) {
	c := media.Codec{Name: media.Opus, ClockRate: opusClock, Channels: 2}
	if len(b) >= 19 && bytes.HasPrefix(b, []byte("OpusHead")) {
		if b[9] > 2 || b[18] != 0 {
			return nil, fmt.Errorf("opus of %d channels cannot be carried, 2 at most", b[9])
		}
		if b[9] == 1 {
			return &Decoder{Codec: c}, nil
		}
	}
	c.Fmtp = "sprop-stereo=1"
	return &Decoder{Codec: c}, nil
}

// Units returns the units of a frame, as package media has them, and whether
// it can be decoded without earlier ones: some senders forget to say so, so the
// frame itself is asked too. A frame may have none.
func (d *Decoder) Units(t Tag) (units [][]byte, keyframe bool, err error) {
	switch d.Codec.Name {
	case media.H264:
		units, err = d.nals(t.Payload)
		return units, t.Keyframe || h264.IsRandomAccess(units), err
	case media.H265:
		units, err = d.nals(t.Payload)
		return units, t.Keyframe || h265.IsRandomAccess(units), err
	case media.AV1:
		units, err = d.obus(t)
		return units, t.Keyframe || av1.IsRandomAccess2(units), err
	}
	if len(t.Payload) == 0 {
		return nil, false, nil
	}
	return [][]byte{t.Payload}, t.Keyframe || d.Codec.Name == media.VP9 && vp9Key(t.Payload), nil
}

// vp9Key tells whether a frame of VP9 is a keyframe, by its uncompressed header
// (VP9 section 6.2).
func vp9Key(b []byte) bool {
	var h vp9.Header
	return h.Unmarshal(b) == nil && !h.NonKeyFrame
}

// nals splits a frame into NAL units by the lengths before them. Empty ones
// are left out.
func (d *Decoder) nals(b []byte) ([][]byte, error) {
	var units [][]byte
	for len(b) > 0 {
		head, rest, err := take(b, d.length)
		if err != nil {
			return nil, err
		}
		size := 0
		for _, x := range head {
			size = size<<8 | int(x)
		}
		unit, rest, err := take(rest, size)
		if err != nil {
			return nil, err
		}
		if len(unit) > 0 {
			units = append(units, unit)
		}
		if len(units) > maxUnits {
			return nil, fmt.Errorf("%w: more than %d NAL units in a frame", ErrMalformed, maxUnits)
		}
		b = rest
	}
	return units, nil
}

// obus splits a frame of AV1. A keyframe gets the sequence header if it lacks
// one; delimiters are left out, as RTP wants it.
func (d *Decoder) obus(t Tag) ([][]byte, error) {
	all, err := openOBUs(t.Payload)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var units [][]byte
	header := false
	for _, o := range all {
		switch obuType(o) {
		case av1.OBUTypeTemporalDelimiter:
			continue
		case av1.OBUTypeSequenceHeader:
			header = true
		}
		units = append(units, o)
	}
	if t.Keyframe && !header && d.header != nil && len(units) > 0 {
		units = append([][]byte{d.header}, units...)
	}
	return units, nil
}

// openOBUs splits a low-overhead bitstream (AV1 section 5.2) and takes the
// sizes out of the OBUs.
func openOBUs(b []byte) ([][]byte, error) {
	var list [][]byte
	for len(b) > 0 {
		n := 1 // bytes of its header
		if b[0]&4 != 0 {
			n = 2
		}
		head, rest, err := take(b, n)
		if err != nil {
			return nil, err
		}
		size := len(rest)
		if head[0]&2 != 0 {
			var l av1.LEB128
			used, err := l.Unmarshal(rest)
			if err != nil {
				return nil, fmt.Errorf("%w: AV1: %w", ErrMalformed, err)
			}
			size, rest = int(l), rest[used:]
		}
		body, rest, err := take(rest, size)
		if err != nil {
			return nil, err
		}
		obu := make([]byte, 0, n+size)
		obu = append(obu, head[0]&^2)
		list = append(list, append(append(obu, head[1:]...), body...))
		if len(list) > maxUnits {
			return nil, fmt.Errorf("%w: more than %d OBUs in a frame", ErrMalformed, maxUnits)
		}
		b = rest
	}
	return list, nil
}

// obuType is that of an OBU; it has one byte at least.
func obuType(o []byte) av1.OBUType { return av1.OBUType(o[0] >> 3 & 15) }
