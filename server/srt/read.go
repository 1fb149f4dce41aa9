package srt

import (
	"errors"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/substructs"

	"github.com/heliograph/heliograph/server/media"
)

// frame is one frame out of a unit.
type frame struct {
	units    [][]byte
	keyframe bool
	after    time.Duration // the unit's time stamp
}

// reader takes the payload of a PES packet apart. The codec is zero where the
// payload does not say it.
type reader func(data []byte) ([]frame, media.Codec, error)

// maxFrames is how many frames of audio one PES packet may have.
const maxFrames = 256

var errFrames = errors.New("far too many frames in one packet")

// readH264 reads a picture in the byte stream format of annex B.
func readH264(data []byte) ([]frame, media.Codec, error) {
	var au h264.AnnexB
	if err := au.Unmarshal(data); err != nil {
		return nil, media.Codec{}, err
	}
	var sps, pps []byte
	for _, u := range au {
		switch h264.NALUType(u[0] & 0x1f) {
		case h264.NALUTypeSPS:
			sps = first(sps, u)
		case h264.NALUTypePPS:
			pps = first(pps, u)
		}
	}
	var codec media.Codec
	if sps != nil && pps != nil {
		codec = media.H264Codec(sps, pps)
	}
	return []frame{{units: au, keyframe: h264.IsRandomAccess(au)}}, codec, nil
}

// readH265 reads a picture in the byte stream format of annex B.
func readH265(data []byte) ([]frame, media.Codec, error) {
	var au h264.AnnexB
	if err := au.Unmarshal(data); err != nil {
		return nil, media.Codec{}, err
	}
	var vps, sps, pps []byte
	for _, u := range au {
		switch h265.NALUType(u[0] >> 1 & 0x3f) {
		case h265.NALUType_VPS_NUT:
			vps = first(vps, u)
		case h265.NALUType_SPS_NUT:
			sps = first(sps, u)
		case h265.NALUType_PPS_NUT:
			pps = first(pps, u)
		}
	}
	var codec media.Codec
	if vps != nil && sps != nil && pps != nil {
		codec = media.H265Codec(vps, sps, pps)
	}
	return []frame{{units: au, keyframe: h265.IsRandomAccess(au)}}, codec, nil
}

func first(have, u []byte) []byte {
	if have != nil {
		return have
	}
	return u
}

// readAAC reads ADTS packets.
func readAAC(data []byte) ([]frame, media.Codec, error) {
	var packets mpeg4audio.ADTSPackets
	if err := packets.Unmarshal(data); err != nil {
		return nil, media.Codec{}, err
	}
	if len(packets) == 0 || len(packets) > maxFrames {
		return nil, media.Codec{}, errFrames
	}
	p := packets[0]
	config := &mpeg4audio.AudioSpecificConfig{Type: p.Type, SampleRate: p.SampleRate, ChannelConfig: p.ChannelConfig}
	f := frame{keyframe: true}
	for _, p := range packets {
		if len(p.AU) > 0 {
			f.units = append(f.units, p.AU)
		}
	}
	return []frame{f}, media.AACCodec(config), nil
}

// readOpus reads Opus packets with their control headers.
func readOpus(data []byte) ([]frame, media.Codec, error) {
	var frames []frame
	var after time.Duration
	for len(data) > 0 {
		var au substructs.OpusAccessUnit
		n, err := au.Unmarshal(data)
		if err != nil {
			return nil, media.Codec{}, err
		}
		if len(frames) == maxFrames {
			return nil, media.Codec{}, errFrames
		}
		data = data[n:]
		if len(au.Packet) == 0 {
			continue
		}
		frames = append(frames, frame{units: [][]byte{au.Packet}, keyframe: true, after: after})
		after += ticksTo(opus.PacketDuration2(au.Packet), opusRate)
	}
	return frames, media.Codec{Name: media.Opus, ClockRate: opusRate, Channels: 2}, nil
}

const opusRate = 48_000

// stampClock follows time stamps of 33 bits, which begin again after 26 hours.
type stampClock struct {
	begun bool
	last  int64
}

const stampBits = 33

// extend returns the time stamp that the low bits of which are given and that
// is nearest to the last one.
func (c *stampClock) extend(stamp int64) int64 {
	if !c.begun {
		c.begun, c.last = true, stamp
		return stamp
	}
	c.last += apart(stamp, c.last)
	return c.last
}

// apart returns by how much a time stamp of 33 bits is after another.
func apart(a, b int64) int64 {
	return (a - b) << (64 - stampBits) >> (64 - stampBits)
}

// ticksToTime turns ticks of 90 kHz into time.
func ticksToTime(ticks int64) time.Duration { return ticksTo(ticks, 90_000) }

func ticksTo(ticks, rate int64) time.Duration {
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate)*time.Second/time.Duration(rate)
}

// timeToTicks turns time into ticks of a rate.
func timeToTicks(d time.Duration, rate int64) int64 {
	return int64(d/time.Second)*rate + int64(d%time.Second)*rate/int64(time.Second)
}
