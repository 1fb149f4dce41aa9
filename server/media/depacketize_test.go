package media_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// pictures are payloads of three frames of H264, each of three packets.
func pictures(t *testing.T) (list []*media.Packet) {
	t.Helper()
	p, err := media.NewPacketizer(media.Codec{Name: media.H264})
	require.NoError(t, err)
	for n := range 3 {
		slice := append([]byte{0x41, 0x9a}, bytes.Repeat([]byte{byte(n + 1)}, 2500)...)
		payloads, err := p.Packetize(&media.Frame{Units: [][]byte{slice}})
		require.NoError(t, err)
		require.Len(t, payloads, 3)
		list = append(list, packets(uint64(len(list)), uint32(n*tick), payloads)...)
	}
	return list
}

// stamps pushes packets and returns the timestamps of the frames.
func stamps(t *testing.T, codec string, list []*media.Packet) (out []uint32) {
	t.Helper()
	d, err := media.NewDepacketizer(media.Codec{Name: codec})
	require.NoError(t, err)
	for _, p := range list {
		if f, ok := d.Push(p); ok {
			require.NotEmpty(t, f.Units)
			out = append(out, f.Timestamp)
		}
	}
	return out
}

func TestDepacketizeLoss(t *testing.T) {
	t.Parallel()
	for lost := range 9 {
		list := pictures(t)
		var want []uint32
		for n := range 3 {
			if lost/3 != n {
				want = append(want, uint32(n*tick))
			}
		}
		require.Equal(t, want, stamps(t, media.H264, append(list[:lost:lost], list[lost+1:]...)), "packet %d lost", lost)
	}
}

func TestDepacketizeWithoutMarkers(t *testing.T) {
	t.Parallel()
	list := pictures(t)
	for _, p := range list {
		p.Marker = false
	}
	require.Equal(t, []uint32{0, tick}, stamps(t, media.H264, list), "the last one is not known to be complete")
	list[8].Marker = true // behind one without
	require.Equal(t, []uint32{0, tick, 2 * tick}, stamps(t, media.H264, list))
}

func TestDepacketizeFromTheMiddle(t *testing.T) {
	t.Parallel()
	require.Equal(t, []uint32{tick, 2 * tick}, stamps(t, media.H264, pictures(t)[1:]))
}

func TestDepacketizePadding(t *testing.T) {
	t.Parallel()
	list := pictures(t)
	for i := 3; i < len(list); i++ {
		list[i].Seq += 2
	}
	pad := []*media.Packet{{Seq: 3}, {Seq: 4}}
	list = append(list[:3:3], append(pad, list[3:]...)...)
	require.Equal(t, []uint32{0, tick, 2 * tick}, stamps(t, media.H264, list))
}

func TestDepacketizeAudioWithoutMarkers(t *testing.T) {
	t.Parallel()
	list := []*media.Packet{{Seq: 1, Payload: []byte{0xfc, 1}}, {Seq: 2, Timestamp: 960, Payload: []byte{0xfc, 2}}, {Seq: 9, Timestamp: 1920, Payload: []byte{0xfc, 3}}}
	require.Equal(t, []uint32{0, 960, 1920}, stamps(t, media.Opus, list))
}

// A source that never ends a frame costs no more than one large frame.
func TestDepacketizeEndlessFrame(t *testing.T) {
	t.Parallel()
	for _, codec := range videoCodecs {
		d, err := media.NewDepacketizer(media.Codec{Name: codec})
		require.NoError(t, err)
		payload := map[string][]byte{media.H264: {0x41, 0x9a}, media.H265: {2, 1, 0xd0}, media.AV1: {0x50, 0x30, 0x10}, media.VP8: {0x10, 1, 2}, media.VP9: {0x08, 0x82}}[codec]
		for i := range 20_000 {
			_, ok := d.Push(&media.Packet{Seq: uint64(i), Payload: payload})
			require.False(t, ok)
		}
		_, ok := d.Push(&media.Packet{Seq: 20_000, Payload: payload, Marker: true})
		require.False(t, ok, codec)
	}
}
