package media

import (
	"fmt"
	"slices"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpav1"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph264"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtph265"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp8"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpvp9"
	"github.com/pion/rtp"
)

// MaxPayload is how large our payloads get, in bytes. It leaves room in a datagram of 1,280 bytes, the least that IPv6
// carries, for IP, UDP, RTP, SRTP and a TURN channel.
const MaxPayload = 1180

// Packetizer makes RTP payloads of the frames of one track.
type Packetizer struct {
	encode func([][]byte) ([]Payload, error)
}

// Payload is one RTP payload of a frame.
type Payload struct {
	Bytes  []byte
	Marker bool   // the frame's last; in audio, the last of an access unit
	Offset uint32 // ticks after the frame's timestamp
}

// NewPacketizer returns a packetizer for a codec, or ErrCodec.
func NewPacketizer(c Codec) (*Packetizer, error) {
	encode, err := encoder(c.Name)
	if err != nil {
		return nil, err
	}
	return &Packetizer{encode}, nil
}

// Packetize returns the payloads of a frame in order. Units without a byte are
// left out; a frame of nothing else has no payloads.
func (p *Packetizer) Packetize(f *Frame) ([]Payload, error) {
	units := withoutEmpty(f.Units)
	if len(units) == 0 {
		return nil, nil
	}
	list, err := p.encode(units)
	if err != nil {
		return nil, fmt.Errorf("packetise: %w", err)
	}
	return list, nil
}

// withoutEmpty spares the libraries units that they do not expect.
func withoutEmpty(units [][]byte) [][]byte {
	empty := func(u []byte) bool { return len(u) == 0 }
	if !slices.ContainsFunc(units, empty) {
		return units
	}
	return slices.DeleteFunc(slices.Clone(units), empty)
}

func encoder(codec string) (func([][]byte) ([]Payload, error), error) {
	switch codec {
	case H264:
		e := &rtph264.Encoder{PacketizationMode: 1, PayloadMaxSize: MaxPayload}
		return payloads(e.Encode), e.Init()
	case H265:
		e := &rtph265.Encoder{PayloadMaxSize: MaxPayload}
		return payloads(withHeaders(e.Encode)), e.Init()
	case AV1:
		e := &rtpav1.Encoder{PayloadMaxSize: MaxPayload}
		return payloads(e.Encode), e.Init()
	case VP8:
		e := &rtpvp8.Encoder{PayloadMaxSize: MaxPayload}
		return payloads(joined(e.Encode)), e.Init()
	case VP9:
		e := &rtpvp9.Encoder{PayloadMaxSize: MaxPayload}
		return payloads(joined(e.Encode)), e.Init()
	case AAC:
		return packetizeAAC, nil
	case Opus, G722, PCMU, PCMA:
		return payloads(joined(func(b []byte) ([]*rtp.Packet, error) {
			return []*rtp.Packet{{Header: rtp.Header{Marker: true}, Payload: b}}, nil
		})), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrCodec, codec)
}

func payloads(encode func([][]byte) ([]*rtp.Packet, error)) func([][]byte) ([]Payload, error) {
	return func(units [][]byte) ([]Payload, error) {
		packets, err := encode(units)
		list := make([]Payload, len(packets))
		for i, q := range packets {
			list[i] = Payload{Bytes: q.Payload, Marker: q.Marker}
		}
		return list, err
	}
}

// withHeaders refuses units that are shorter than a header of H265.
func withHeaders(encode func([][]byte) ([]*rtp.Packet, error)) func([][]byte) ([]*rtp.Packet, error) {
	return func(units [][]byte) ([]*rtp.Packet, error) {
		for _, u := range units {
			if len(u) <= h265HeaderSize {
				return nil, fmt.Errorf("NAL unit of %d bytes", len(u))
			}
		}
		return encode(units)
	}
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
