package media_test

import (
	"bytes"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpmpeg4audio"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// packets makes packets of payloads, without a gap.
func packets(seq uint64, stamp uint32, list []media.Payload) []*media.Packet {
	out := make([]*media.Packet, len(list))
	for i, p := range list {
		out[i] = &media.Packet{Seq: seq + uint64(i), Timestamp: stamp + p.Offset, Payload: p.Bytes, Marker: p.Marker, Keyframe: true}
	}
	return out
}

func unit(size int, fill byte) []byte {
	return append([]byte{0x21}, bytes.Repeat([]byte{fill}, size-1)...)
}

func TestAACThereAndBack(t *testing.T) {
	t.Parallel()
	for name, units := range map[string][][]byte{
		"one":            {unit(300, 1)},
		"three in one":   {unit(300, 1), unit(310, 2), unit(320, 3)},
		"in two packets": {unit(500, 1), unit(510, 2), unit(520, 3)},
		"one is cut":     {unit(300, 1), unit(2500, 2), unit(320, 3)},
		"the greatest":   {unit(5120, 1)},
		"more than a packet may hold": func() (list [][]byte) {
			for range 100 {
				list = append(list, unit(3, 1))
			}
			return list
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := media.NewPacketizer(media.Codec{Name: media.AAC})
			require.NoError(t, err)
			d, err := media.NewDepacketizer(media.Codec{Name: media.AAC})
			require.NoError(t, err)
			list, err := p.Packetize(&media.Frame{Units: units})
			require.NoError(t, err)
			var got [][]byte
			for _, q := range packets(70_000, 5000, list) {
				require.LessOrEqual(t, len(q.Payload), media.MaxPayload)
				if f, ok := d.Push(q); ok {
					require.Equal(t, 5000+uint32(len(got))*1024, f.Timestamp, "each access unit at its own time")
					require.True(t, f.Keyframe)
					got = append(got, f.Units...)
				}
			}
			require.Equal(t, units, got)
		})
	}
}

// Encoders of other makes put their own size into the header of a part.
func TestAACPartsOfOthers(t *testing.T) {
	t.Parallel()
	e := &rtpmpeg4audio.Encoder{SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3, PayloadMaxSize: 1000}
	require.NoError(t, e.Init())
	want := unit(2500, 7)
	list, err := e.Encode([][]byte{want})
	require.NoError(t, err)
	d, err := media.NewDepacketizer(media.Codec{Name: media.AAC})
	require.NoError(t, err)
	for i, p := range list {
		f, ok := d.Push(&media.Packet{Seq: uint64(i), Payload: p.Payload, Marker: p.Marker})
		require.Equal(t, i == len(list)-1, ok)
		if ok {
			require.Equal(t, [][]byte{want}, f.Units)
		}
	}
}

// What we write, others read.
func TestAACReadByOthers(t *testing.T) {
	t.Parallel()
	p, err := media.NewPacketizer(media.Codec{Name: media.AAC})
	require.NoError(t, err)
	want := [][]byte{unit(300, 1), unit(310, 2)}
	list, err := p.Packetize(&media.Frame{Units: want})
	require.NoError(t, err)
	require.Len(t, list, 1)
	d := &rtpmpeg4audio.Decoder{SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
	require.NoError(t, d.Init())
	got, err := d.Decode(&rtp.Packet{Header: rtp.Header{Marker: true}, Payload: list[0].Bytes})
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestAACMalformed(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string][]byte{
		"one byte":             {0},
		"no headers":           {0, 0, 1, 2},
		"headers cut":          {0, 64, 0, 8},
		"unit of no bytes":     {0, 16, 0, 0, 1},
		"interleaved":          {0, 16, 0, 9, 1},
		"units beyond the end": {0, 32, 0, 8, 0x10, 0, 1, 2},
		"the only one too":     {0, 16, 0x10, 0, 1, 2},
	} {
		d, err := media.NewDepacketizer(media.Codec{Name: media.AAC})
		require.NoError(t, err)
		_, ok := d.Push(&media.Packet{Payload: payload, Marker: true})
		require.False(t, ok, name)
		f, ok := d.Push(&media.Packet{Seq: 1, Timestamp: 1, Payload: []byte{0, 16, 0, 8, 0x21}, Marker: true})
		require.True(t, ok, name)
		require.Equal(t, [][]byte{{0x21}}, f.Units)
	}
}

func TestAACFieldSizes(t *testing.T) {
	t.Parallel()
	low, err := media.NewDepacketizer(media.Codec{Name: media.AAC, Fmtp: "mode=AAC-lbr;sizelength=6;indexlength=2;indexdeltalength=2"})
	require.NoError(t, err)
	f, ok := low.Push(&media.Packet{Payload: []byte{0, 16, 2 << 2, 1 << 2, 0x21, 7, 0x22}, Marker: true})
	require.True(t, ok)
	require.Equal(t, [][]byte{{0x21, 7}, {0x22}}, f.Units)
	for _, fmtp := range []string{"sizelength=0", "sizelength=-1", "sizelength=64", "indexlength=x", "indexdeltalength=17"} {
		_, err := media.NewDepacketizer(media.Codec{Name: media.AAC, Fmtp: fmtp})
		require.ErrorIs(t, err, media.ErrFormat, fmtp)
	}
}

// Some cameras leave ADTS headers on.
func TestAACWithADTS(t *testing.T) {
	t.Parallel()
	d, err := media.NewDepacketizer(media.Codec{Name: media.AAC})
	require.NoError(t, err)
	adts := []byte{0xff, 0xf1, 0x4c, 0x80, 0x01, 0x3f, 0xfc, 0x21, 0x10} // 9 bytes
	f, ok := d.Push(&media.Packet{Payload: append([]byte{0, 16, 0, byte(len(adts) << 3)}, adts...), Marker: true})
	require.True(t, ok)
	require.Equal(t, [][]byte{{0x21, 0x10}}, f.Units)
}

func TestAACFrameThatCannotBe(t *testing.T) {
	t.Parallel()
	p, err := media.NewPacketizer(media.Codec{Name: media.AAC})
	require.NoError(t, err)
	_, err = p.Packetize(&media.Frame{Units: [][]byte{unit(9000, 1)}})
	require.Error(t, err)
	list, err := p.Packetize(&media.Frame{Units: [][]byte{{}}})
	require.NoError(t, err)
	require.Empty(t, list)
}
