package media_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte{0x88, 2, 3, 4, 5}, 1000)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	for _, c := range []struct {
		name, codec string
		payload     []byte
		ok          bool
	}{
		{"small", media.H264, idr, true},
		{"H264 unit", media.H264, join([]byte{0x65, 0x88}, long), true},
		{"STAP-A", media.H264, join([]byte{0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 1, 0x13, 0x89, 0x65}, long), true},
		{"STAP-A cut", media.H264, join([]byte{0x78, 0, 2, 0x67, 1, 0x20, 0}, long), false},
		{"STAP-B", media.H264, join([]byte{0x79}, long), false},
		{"reserved", media.H264, join([]byte{0x60}, long), false},
		{"H265 unit", media.H265, join([]byte{0x26, 1, 0xaf}, long), true},
		{"AP", media.H265, join([]byte{0x60, 1, 0, 3, 0x40, 1, 9, 0x13, 0x8a, 0x26, 1}, long), true},
		{"PACI", media.H265, join([]byte{0x64, 1, 0xaf}, long), false},
		{"VP8", media.VP8, long, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list, ok := media.NewSplitter(c.codec, 500).Split(c.payload, true)
			require.Equal(t, c.ok, ok)
			if !ok {
				return
			}
			for i, p := range list {
				require.LessOrEqual(t, len(p.Bytes), 500)
				require.Equal(t, i == len(list)-1, p.Marker)
			}
			want := unitsOf(t, c.codec, []media.Payload{{Bytes: c.payload, Marker: true}})
			require.NotEmpty(t, want)
			require.True(t, slices.EqualFunc(want, unitsOf(t, c.codec, list), bytes.Equal))
		})
	}
	_, ok := media.NewSplitter(media.H264, 3).Split(long, true)
	require.False(t, ok, "too small to be worth it")
}

// A part of a unit becomes smaller parts; the unit is the same.
func TestSplitFragments(t *testing.T) {
	t.Parallel()
	for codec, head := range map[string][]byte{media.H264: {0x65}, media.H265: {0x26, 1}} {
		whole := append(slices.Clone(head), bytes.Repeat([]byte{0x88, 2, 3}, 3000)...)
		large, ok := media.NewSplitter(codec, 1400).Split(whole, true)
		require.True(t, ok)
		var small []media.Payload
		for _, p := range large {
			list, ok := media.NewSplitter(codec, 300).Split(p.Bytes, p.Marker)
			require.True(t, ok)
			small = append(small, list...)
		}
		require.True(t, slices.EqualFunc([][]byte{whole}, unitsOf(t, codec, small), bytes.Equal))
	}
}

func unitsOf(t testing.TB, codec string, list []media.Payload) [][]byte {
	t.Helper()
	d, err := media.NewDepacketizer(media.Codec{Name: codec})
	require.NoError(t, err)
	for _, p := range packets(0, 0, list) {
		if f, ok := d.Push(p); ok {
			return f.Units
		}
	}
	return nil
}

func FuzzSplit(f *testing.F) {
	f.Fuzz(func(t *testing.T, payload []byte, hevc bool) {
		codec := media.H264
		if hevc {
			codec = media.H265
		}
		list, ok := media.NewSplitter(codec, 64).Split(payload, true)
		if !ok {
			return
		}
		for i, p := range list {
			if len(p.Bytes) > 64 || p.Marker != (i == len(list)-1) {
				t.Fatal("too large, or the marker is wrong")
			}
		}
		if len(list) > 2*len(payload)+1 {
			t.Fatal("more packets than bytes")
		}
	})
}
