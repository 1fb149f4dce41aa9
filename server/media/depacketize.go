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

// Depacketizer makes frames of the packets of one track.
type Depacketizer struct {
	// set at construction
	codec  string
	decode func(*rtp.Packet) ([][]byte, error)

	// owned by the caller of Push
	keyframe bool  // of the frame being gathered
	arrival  int64 // of its first packet
	stamp    uint32
	begun    bool
}

// NewDepacketizer returns a depacketizer for a codec, or ErrCodec.
func NewDepacketizer(codec string) (*Depacketizer, error) {
	decode, err := decoder(codec)
	if err != nil {
		return nil, err
	}
	return &Depacketizer{codec: codec, decode: decode}, nil
}

// Push takes the next packet, in order of sequence numbers, and returns the
// frame that it completes, if any. A frame that lacks packets is dropped, and
// so is what cannot be parsed.
func (d *Depacketizer) Push(p *Packet) (f *Frame, ok bool) {
	if !d.begun || p.Timestamp != d.stamp {
		d.begun, d.stamp, d.arrival, d.keyframe = true, p.Timestamp, p.Arrival, false
	}
	d.keyframe = d.keyframe || p.Keyframe
	units, err := d.decode(&rtp.Packet{
		Header:  rtp.Header{Version: 2, SequenceNumber: uint16(p.Seq), Timestamp: p.Timestamp, Marker: p.Marker},
		Payload: p.Payload,
	})
	if err != nil || len(units) == 0 {
		return nil, false
	}
	return &Frame{Timestamp: p.Timestamp, Arrival: d.arrival, Keyframe: d.keyframe, Units: units}, true
}

func decoder(codec string) (func(*rtp.Packet) ([][]byte, error), error) {
	switch codec {
	case H264:
		d := &rtph264.Decoder{PacketizationMode: 1}
		return d.Decode, d.Init()
	case H265:
		d := &rtph265.Decoder{}
		return d.Decode, d.Init()
	case AV1:
		d := &rtpav1.Decoder{}
		return d.Decode, d.Init()
	case VP8:
		d := &rtpvp8.Decoder{}
		return whole(d.Decode), d.Init()
	case VP9:
		d := &rtpvp9.Decoder{}
		return whole(d.Decode), d.Init()
	case Opus, G722, PCMU, PCMA:
		return whole(func(p *rtp.Packet) ([]byte, error) { return p.Payload, nil }), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrCodec, codec)
}

// whole adapts formats whose frame is one piece.
func whole(decode func(*rtp.Packet) ([]byte, error)) func(*rtp.Packet) ([][]byte, error) {
	return func(p *rtp.Packet) ([][]byte, error) {
		b, err := decode(p)
		if err != nil || len(b) == 0 {
			return nil, err
		}
		return [][]byte{b}, nil
	}
}
