package media

import (
	"errors"
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp8"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp9"
	"github.com/pion/rtp"
)

// ErrCodec says that a codec can be neither packetised nor depacketised here.
var ErrCodec = errors.New("no RTP payload format for this codec")

// Of one frame that is being gathered: far above what a camera of 8K sends.
const (
	maxFrameSize    = 8 << 20
	maxFramePackets = 8192
	maxFrameUnits   = 1024
)

// Depacketizer makes frames of the packets of one track.
type Depacketizer struct {
	// set at construction
	codec  Codec
	pieces bool // each unit is complete in itself, so the marker is not needed
	audio  bool // a frame ends as soon as it has units: the marker says something else

	// owned by the caller of Push
	decode  decodeFunc
	frame   *Frame // being gathered
	size    int
	packets int
	broken  bool   // the frame lacks something
	next    uint64 // sequence number
	begun   bool
}

// decodeFunc returns what a packet completes: nothing when it takes more.
type decodeFunc func(*rtp.Packet) ([][]byte, error)

// NewDepacketizer returns a depacketizer for a codec, or ErrCodec, or
// ErrFormat.
func NewDepacketizer(c Codec) (*Depacketizer, error) {
	decode, err := decoder(c)
	if err != nil {
		return nil, err
	}
	d := &Depacketizer{codec: c, decode: decode, pieces: c.Name == H264 || c.Name == H265}
	switch c.Name {
	case Opus, AAC, G722, PCMU, PCMA:
		d.audio = true
	}
	return d, nil
}

// Push takes the next packet, in order of sequence numbers, and returns the
// frame that it completes, if any. A frame ends with its marker or, in H264
// and H265, when the timestamp changes: some cameras set no marker. A frame
// that lacks packets is dropped, and so is what cannot be parsed.
func (d *Depacketizer) Push(p *Packet) (f *Frame, ok bool) {
	gap := !d.begun || p.Seq != d.next
	if len(p.Payload) == 0 { // padding
		if !gap {
			d.next++
		}
		return nil, false
	}
	d.begun, d.next = true, p.Seq+1
	if d.frame != nil && p.Timestamp != d.frame.Timestamp {
		d.broken = d.broken || gap || !d.pieces
		f = d.finish()
	}
	if d.frame == nil {
		start, _ := Inspect(d.codec.Name, p.Payload)
		d.begin(p, gap && !start)
	} else if gap {
		d.broken = true
	}
	d.add(p)
	if f == nil && (p.Marker || d.audio && len(d.frame.Units) > 0) {
		f = d.finish()
	}
	return f, f != nil
}

// begin starts a frame; it lacks its head when lacking is true.
func (d *Depacketizer) begin(p *Packet, lacking bool) {
	d.frame = &Frame{Timestamp: p.Timestamp, Arrival: p.Arrival}
	d.size, d.packets, d.broken = 0, 0, lacking
}

func (d *Depacketizer) add(p *Packet) {
	d.frame.Keyframe = d.frame.Keyframe || p.Keyframe
	d.size += len(p.Payload)
	d.packets++
	if d.broken {
		return
	}
	if d.size > maxFrameSize || d.packets > maxFramePackets || len(d.frame.Units) > maxFrameUnits {
		d.broken, d.frame.Units = true, nil
		return
	}
	q := rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: uint16(p.Seq), Marker: p.Marker || d.pieces},
		Payload: p.Payload,
	}
	units, err := d.decode(&q)
	d.broken = err != nil
	d.frame.Units = append(d.frame.Units, units...)
}

// finish returns the frame that was gathered, if it is whole.
func (d *Depacketizer) finish() *Frame {
	f := d.frame
	d.frame = nil
	if !d.broken && len(f.Units) > 0 {
		return f
	}
	d.decode, _ = decoder(d.codec) // which had the codec once already; the old one may hold parts
	return nil
}

func decoder(c Codec) (decodeFunc, error) {
	switch c.Name {
	case H264:
		d := &rtph264.Decoder{PacketizationMode: 1}
		return wait(d.Decode, rtph264.ErrMorePacketsNeeded), d.Init()
	case H265:
		d := &rtph265.Decoder{}
		return wait(d.Decode, rtph265.ErrMorePacketsNeeded), d.Init()
	case AV1:
		d := &rtpav1.Decoder{}
		return wait(d.Decode, rtpav1.ErrMorePacketsNeeded), d.Init()
	case VP8:
		d := &rtpvp8.Decoder{}
		return wait(whole(d.Decode), rtpvp8.ErrMorePacketsNeeded), d.Init()
	case VP9:
		d := &rtpvp9.Decoder{}
		return wait(whole(d.Decode), rtpvp9.ErrMorePacketsNeeded), d.Init()
	case AAC:
		r, err := newAACReader(c)
		if err != nil {
			return nil, err
		}
		return r.decode, nil
	case Opus, G722, PCMU, PCMA:
		return whole(func(p *rtp.Packet) ([]byte, error) { return p.Payload, nil }), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrCodec, c.Name)
}

// wait tells a packet that completes nothing from one that is broken.
func wait(decode decodeFunc, more error) decodeFunc {
	return func(p *rtp.Packet) ([][]byte, error) {
		units, err := decode(p)
		if errors.Is(err, more) {
			return nil, nil
		}
		return units, err
	}
}

// whole adapts formats whose frame is one piece.
func whole(decode func(*rtp.Packet) ([]byte, error)) decodeFunc {
	return func(p *rtp.Packet) ([][]byte, error) {
		b, err := decode(p)
		if err != nil || len(b) == 0 {
			return nil, err
		}
		return [][]byte{b}, nil
	}
}
