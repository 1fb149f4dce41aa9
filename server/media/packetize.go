package media

import (
	"fmt"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp8"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp9"
	"github.com/pion/rtp"
)

// maxPayload leaves room in a datagram of 1,280 bytes, the least that IPv6
// carries, for IP, UDP, RTP, SRTP and a TURN channel.
const maxPayload = 1180

// Packetizer makes RTP payloads of the frames of one track.
type Packetizer struct {
	encode func([][]byte) ([]*rtp.Packet, error)
}

// Payload is one RTP payload of a frame.
type Payload struct {
	Bytes  []byte
	Marker bool // the frame's last
}

// NewPacketizer returns a packetizer for a codec, or ErrCodec.
func NewPacketizer(codec string) (*Packetizer, error) {
	encode, err := encoder(codec)
	if err != nil {
		return nil, err
	}
	return &Packetizer{encode}, nil
}

// Packetize returns the payloads of a frame in order.
func (p *Packetizer) Packetize(f *Frame) ([]Payload, error) {
	packets, err := p.encode(f.Units)
	if err != nil {
		return nil, fmt.Errorf("packetise: %w", err)
	}
	list := make([]Payload, len(packets))
	for i, q := range packets {
		list[i] = Payload{Bytes: q.Payload, Marker: q.Marker}
	}
	return list, nil
}

func encoder(codec string) (func([][]byte) ([]*rtp.Packet, error), error) {
	switch codec {
	case H264:
		e := &rtph264.Encoder{PacketizationMode: 1, PayloadMaxSize: maxPayload}
		return e.Encode, e.Init()
	case H265:
		e := &rtph265.Encoder{PayloadMaxSize: maxPayload}
		return e.Encode, e.Init()
	case AV1:
		e := &rtpav1.Encoder{PayloadMaxSize: maxPayload}
		return e.Encode, e.Init()
	case VP8:
		e := &rtpvp8.Encoder{PayloadMaxSize: maxPayload}
		return joined(e.Encode), e.Init()
	case VP9:
		e := &rtpvp9.Encoder{PayloadMaxSize: maxPayload}
		return joined(e.Encode), e.Init()
	case Opus, G722, PCMU, PCMA:
		return joined(func(b []byte) ([]*rtp.Packet, error) {
			return []*rtp.Packet{{Header: rtp.Header{Marker: true}, Payload: b}}, nil
		}), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrCodec, codec)
}

// joined adapts formats whose frame is one piece.
func joined(encode func([]byte) ([]*rtp.Packet, error)) func([][]byte) ([]*rtp.Packet, error) {
	return func(units [][]byte) ([]*rtp.Packet, error) {
		if len(units) != 1 {
			return nil, fmt.Errorf("%d units in a frame of one", len(units))
		}
		return encode(units[0])
	}
}
