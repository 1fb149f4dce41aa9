package media_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestSetsBeforeKeyframes(t *testing.T) {
	t.Parallel()
	sps, other, pic := unhex(t, spsBase), unhex(t, spsMixed), unhex(t, pps)
	aud, sei := []byte{0x09, 0xf0}, []byte{0x06, 5, 1}
	type step struct{ in, out [][]byte }
	for _, c := range []struct {
		name  string
		codec media.Codec
		steps []step
	}{
		{"none are known", media.H264Codec(nil, nil), []step{{[][]byte{idr}, [][]byte{idr}}}},
		{"by the format parameters", media.H264Codec(sps, pic), []step{
			{[][]byte{idr}, [][]byte{sps, pic, idr}},
			{[][]byte{sliceP}, [][]byte{sliceP}},
			{[][]byte{sei, idr}, [][]byte{sps, pic, sei, idr}},
		}},
		{"alone in a frame", media.H264Codec(nil, nil), []step{
			{[][]byte{sps, pic}, nil},
			{[][]byte{idr}, [][]byte{sps, pic, idr}},
		}},
		{"they came with it", media.H264Codec(sps, pic), []step{
			{[][]byte{other, pic, idr}, [][]byte{other, pic, idr}},
			{[][]byte{idr}, [][]byte{other, pic, idr}},
		}},
		{"one of two came with it", media.H264Codec(sps, pic), []step{
			{[][]byte{sei, other, idr}, [][]byte{other, pic, sei, idr}},
		}},
		{"delimiters and nothing", media.H264Codec(nil, nil), []step{
			{[][]byte{aud, sliceP}, [][]byte{sliceP}},
			{[][]byte{{}, sliceP, nil}, [][]byte{sliceP}},
			{[][]byte{aud}, nil},
			{nil, nil},
		}},
		{"two of a kind", media.H264Codec(sps, pic), []step{
			{[][]byte{sps, pic, {0x68, 1}, idr}, [][]byte{sps, pic, {0x68, 1}, idr}},
			{[][]byte{idr}, [][]byte{sps, pic, {0x68, 1}, idr}},
		}},
		{"H265", media.H265Codec(unhex(t, vps265), unhex(t, sps265), unhex(t, pps265)), []step{
			{[][]byte{{0x46, 1, 0x50}, {0x26, 1, 0xaf}}, [][]byte{unhex(t, vps265), unhex(t, sps265), unhex(t, pps265), {0x26, 1, 0xaf}}},
			{[][]byte{{0x02, 1, 0xd0}}, [][]byte{{0x02, 1, 0xd0}}},
		}},
		{"other codecs pass", media.Codec{Name: media.VP8}, []step{{[][]byte{{1}}, [][]byte{{1}}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := media.NewParameterSets(c.codec)
			for _, step := range c.steps {
				require.Equal(t, step.out, s.Complete(step.in))
			}
		})
	}
}

func TestSetsInPackets(t *testing.T) {
	t.Parallel()
	sps, pic := unhex(t, spsBase), unhex(t, pps)
	both := slices.Concat([]byte{0x78, 0, byte(len(sps))}, sps, []byte{0, byte(len(pic))}, pic)
	s := media.NewParameterSets(media.H264Codec(sps, pic))
	for i, c := range []struct {
		ts      uint32
		payload []byte
		insert  []byte
	}{
		{0, idr, both},
		{0, []byte{0x65, 0x40, 1}, nil}, // the second slice
		{1, sliceP, nil},
		{2, sps, nil},
		{2, pic, nil},
		{2, idr, nil},
		{3, []byte{0x7c, 0x85, 0x88, 0x84}, both},
		{3, []byte{0x7c, 0x05, 0x88, 0x84}, nil},
		{4, append(slices.Clone(both), 0, 3, 0x65, 0x88, 0x84), nil},
		{5, []byte{0x78, 0, 3, 0x65, 0x88, 0x84}, both},
		{6, sps, nil},
		{6, idr, both}, // the other was lost
	} {
		require.Equal(t, c.insert, s.Packet(c.ts, c.payload), "packet %d", i)
	}
	require.Nil(t, media.NewParameterSets(media.H264Codec(nil, nil)).Packet(0, idr))
	require.Nil(t, media.NewParameterSets(media.Codec{Name: media.Opus}).Packet(0, idr))

	s = media.NewParameterSets(media.H265Codec(unhex(t, vps265), unhex(t, sps265), unhex(t, pps265)))
	insert := s.Packet(1, []byte{0x62, 0x01, 0x93, 0xaf})
	_, key := media.Inspect(media.H265, insert)
	require.True(t, key)
	d, err := media.NewDepacketizer(media.Codec{Name: media.H265})
	require.NoError(t, err)
	f, ok := d.Push(&media.Packet{Payload: insert, Marker: true})
	require.True(t, ok)
	require.Equal(t, [][]byte{unhex(t, vps265), unhex(t, sps265), unhex(t, pps265)}, f.Units)
}

func TestSetsAllocateNothing(t *testing.T) {
	s := media.NewParameterSets(media.H264Codec(unhex(t, spsBase), unhex(t, pps)))
	ts, units := uint32(0), [][]byte{sliceP}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ts++
		s.Packet(ts, sliceP)
		s.Complete(units)
	}))
}

// Whatever comes, a keyframe has sets in front once they are known, and
// nothing else changes.
func FuzzSets(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		units := cut(data)
		for _, codec := range []string{media.H264, media.H265} {
			s := media.NewParameterSets(media.Codec{Name: codec})
			out := s.Complete(units)
			if len(out) > len(units)+48 {
				t.Fatal("it grew without bound")
			}
			for i, u := range units {
				if p := s.Packet(uint32(i/2), u); len(p) > media.MaxPayload {
					t.Fatal("too large for a packet")
				}
			}
		}
	})
}

// cut makes pieces of data, at each 0xff.
func cut(data []byte) [][]byte { return bytes.Split(data, []byte{0xff}) }
