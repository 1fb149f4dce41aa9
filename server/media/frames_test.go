package media

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// frames of every codec, large enough to be cut.
func frames() map[string]*Frame {
	body := bytes.Repeat([]byte{0x55, 0xAA, 7}, 2000)
	with := func(head ...byte) []byte { return append(head, body...) }
	return map[string]*Frame{
		H264: {Keyframe: true, Units: [][]byte{{0x67, 1, 2, 3}, {0x68, 4, 5}, with(0x65, 0x88)}},
		H265: {Keyframe: true, Units: [][]byte{{0x40, 1, 9}, {0x42, 1, 9}, {0x44, 1, 9}, with(0x26, 1)}},
		AV1:  {Keyframe: true, Units: [][]byte{{0x08, 0, 0, 0}, with(0x30)}},
		VP8:  {Keyframe: true, Units: [][]byte{with(0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0)}},
		VP9:  {Keyframe: true, Units: [][]byte{with(0x82, 0x49, 0x83, 0x42, 0, 0xf0, 0, 0xf0)}},
		AAC:  {Keyframe: true, Units: [][]byte{{0x21, 1}, {0x21, 2, 3}}},
		Opus: {Keyframe: true, Units: [][]byte{{0xfc, 1, 2, 3}}},
		PCMU: {Keyframe: true, Units: [][]byte{{1, 2, 3, 4}}},
	}
}

func TestFramesThereAndBack(t *testing.T) {
	t.Parallel()
	for codec, frame := range frames() {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			p, err := NewPacketizer(Codec{Name: codec})
			require.NoError(t, err)
			d, err := NewDepacketizer(Codec{Name: codec})
			require.NoError(t, err)
			seq := uint64(65_530)
			for round := range 3 {
				stamp := uint32(round * 3000)
				payloads, err := p.Packetize(frame)
				require.NoError(t, err)
				var got *Frame
				for i, b := range payloads {
					require.LessOrEqual(t, len(b.Bytes), MaxPayload)
					require.Equal(t, i == len(payloads)-1, b.Marker)
					_, key := Inspect(codec, b.Bytes)
					f, ok := d.Push(&Packet{Seq: seq, Timestamp: stamp, Arrival: int64(seq), Payload: b.Bytes, Marker: b.Marker, Keyframe: key})
					require.Equal(t, b.Marker, ok)
					got = f
					seq++
				}
				require.Equal(t, frame.Units, got.Units)
				require.Equal(t, stamp, got.Timestamp)
				require.True(t, got.Keyframe)
			}
		})
	}
}

func TestFrameThatLacksAPacketIsDropped(t *testing.T) {
	t.Parallel()
	for _, codec := range []string{H264, H265, AV1, VP8, VP9} {
		p, err := NewPacketizer(Codec{Name: codec})
		require.NoError(t, err)
		d, err := NewDepacketizer(Codec{Name: codec})
		require.NoError(t, err)
		payloads, err := p.Packetize(frames()[codec])
		require.NoError(t, err)
		for i, b := range payloads {
			if i == len(payloads)-2 {
				continue
			}
			if f, ok := d.Push(&Packet{Seq: uint64(100 + i), Payload: b.Bytes, Marker: b.Marker}); ok {
				require.NotEqual(t, frames()[codec].Units, f.Units, codec)
			}
		}
	}
}

func TestUnknownCodec(t *testing.T) {
	t.Parallel()
	_, err := NewPacketizer(Codec{Name: "theora"})
	require.ErrorIs(t, err, ErrCodec)
	_, err = NewDepacketizer(Codec{Name: "theora"})
	require.ErrorIs(t, err, ErrCodec)
}

func FuzzDepacketize(f *testing.F) {
	for codec, frame := range frames() {
		p, err := NewPacketizer(Codec{Name: codec})
		require.NoError(f, err)
		payloads, err := p.Packetize(frame)
		require.NoError(f, err)
		f.Add(codec, payloads[0].Bytes, payloads[len(payloads)-1].Bytes)
	}
	f.Fuzz(func(t *testing.T, codec string, first, second []byte) {
		d, err := NewDepacketizer(Codec{Name: codec})
		if err != nil {
			return
		}
		d.Push(&Packet{Seq: 1, Payload: first})
		d.Push(&Packet{Seq: 2, Payload: second, Marker: true})
	})
}
