package clip

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAccessUnits(t *testing.T) {
	t.Parallel()
	sps, pps, pps2 := []byte{0x67, 1}, []byte{0x68, 2}, []byte{0x68, 3}
	idr, idr2 := []byte{0x65, 0x88}, []byte{0x65, 0x48}
	p, p2 := []byte{0x61, 0x9a}, []byte{0x61, 0x3a}
	for name, c := range map[string]struct {
		nals [][]byte
		want []AccessUnit
	}{
		"one slice each": {
			[][]byte{{9, 0x10}, sps, pps, {6, 5, 1}, idr, {9, 0x30}, p, {12, 255}, p},
			[]AccessUnit{
				{IDR: true, Params: [][]byte{sps, pps}, Slices: [][]byte{idr}},
				{Slices: [][]byte{p}}, {Slices: [][]byte{p}},
			},
		},
		"several slices": {
			[][]byte{sps, pps, idr, idr2, p, p2, p2},
			[]AccessUnit{
				{IDR: true, Params: [][]byte{sps, pps}, Slices: [][]byte{idr, idr2}},
				{Slices: [][]byte{p, p2, p2}},
			},
		},
		"sets only at the start": {
			[][]byte{sps, pps, pps2, idr, idr},
			[]AccessUnit{
				{IDR: true, Params: [][]byte{sps, pps, pps2}, Slices: [][]byte{idr}},
				{IDR: true, Params: [][]byte{sps, pps, pps2}, Slices: [][]byte{idr}},
			},
		},
		"nothing": {nil, nil},
	} {
		got := accessUnits(splitNALs(annexB(c.nals...)))
		assert.Equal(t, c.want, got, name)
	}
}

func TestSplitNALs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"no start code":   {"abc", nil},
		"leading garbage": {"xx\x00\x00\x01a", []string{"a"}},
		"trailing zeros":  {"\x00\x00\x01a\x00\x00\x00\x01b\x00\x00", []string{"a", "b"}},
		"empty unit":      {"\x00\x00\x01\x00\x00\x01b", []string{"b"}},
	} {
		var got []string
		for _, nal := range splitNALs([]byte(c.in)) {
			got = append(got, string(nal))
		}
		assert.Equal(t, c.want, got, name)
	}
}

func FuzzAccessUnits(f *testing.F) {
	f.Add(annexB([]byte{0x67, 1}, []byte{0x68, 2}, []byte{0x65, 0x88, 1}, []byte{0x61, 0x9a}))
	f.Add([]byte{0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, nal := range splitNALs(b) {
			require.NotEmpty(t, nal)
			require.NotContains(t, string(nal), "\x00\x00\x01")
		}
		for _, u := range accessUnits(splitNALs(b)) {
			require.NotEmpty(t, u.Slices)
			checkFrame(t, u, Packetise(u))
		}
	})
}

// checkFrame puts a frame together again and compares it with its source.
func checkFrame(t *testing.T, u AccessUnit, f Frame) {
	t.Helper()
	want := Stamp{SentNs: 42, Frame: 43}
	f.Stamp(want)
	stamped := false
	var got [][]byte
	for _, p := range f.Payloads {
		require.LessOrEqual(t, len(p), maxPayload)
		EachNAL(p, func(kind byte, body []byte) {
			if kind == NALSEI && !stamped {
				var s Stamp
				s, stamped = ReadStamp(body)
				require.Equal(t, want, s)
			}
		})
		got = appendNALs(got, p)
	}
	require.True(t, stamped)
	all := append(append([][]byte(nil), u.Params...), u.Slices...)
	require.Equal(t, len(all), len(got))
	for _, nal := range all {
		require.True(t, containsNAL(got, nal))
	}
}

func containsNAL(nals [][]byte, nal []byte) bool {
	for _, n := range nals {
		if len(n) == len(nal) && n[0]&0x7f == nal[0]&0x7f && bytes.Equal(n[1:], nal[1:]) {
			return true
		}
	}
	return false
}

// appendNALs depacketises a payload, without the SEI.
func appendNALs(nals [][]byte, p []byte) [][]byte {
	switch p[0] & 0x1f {
	case nalSTAPA:
		for b := p[1:]; len(b) > 2; {
			n := int(b[0])<<8 | int(b[1])
			if nal := b[2 : 2+n]; nal[0]&0x1f != NALSEI {
				nals = append(nals, nal)
			}
			b = b[2+n:]
		}
	case nalFUA:
		if p[1]&0x80 != 0 {
			nals = append(nals, []byte{p[0]&0xe0 | p[1]&0x1f})
		}
		last := len(nals) - 1
		nals[last] = append(nals[last], p[2:]...)
	case NALSEI:
	default:
		nals = append(nals, p)
	}
	return nals
}
