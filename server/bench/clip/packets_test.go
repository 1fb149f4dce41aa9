package clip

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/assert"
)

func slice(kind byte, n int) []byte {
	return append([]byte{kind | 3<<5, 0x80}, bytes.Repeat([]byte{0x77}, n-2)...)
}

func TestPacketiseSizes(t *testing.T) {
	t.Parallel()
	sets := [][]byte{slice(NALSPS, 24), slice(NALPPS, 5)}
	for name, c := range map[string]struct {
		unit AccessUnit
		want []int
	}{
		"small frame":    {AccessUnit{Slices: [][]byte{slice(NALSlice, 500)}}, []int{1 + 2 + 44 + 2 + 500}},
		"P frame":        {AccessUnit{Slices: [][]byte{slice(NALSlice, 3000)}}, []int{1188, 1188, 1188, 629}},
		"fits in one":    {AccessUnit{Slices: [][]byte{slice(NALSlice, 1188)}}, []int{1188, 1188}},
		"keyframe":       {AccessUnit{IDR: true, Params: sets, Slices: [][]byte{slice(NALIDR, 2400)}}, []int{1188, 1188, 1188, 29}},
		"two slices":     {AccessUnit{Slices: [][]byte{slice(NALSlice, 1500), slice(NALSlice, 1500)}}, []int{1188, 1188, 315, 1188, 315}},
		"large settings": {AccessUnit{IDR: true, Params: [][]byte{slice(NALSPS, 1170)}, Slices: [][]byte{slice(NALIDR, 100)}}, []int{1188, 1170, 100}},
	} {
		f := Packetise(c.unit)
		var got []int
		for _, p := range f.Payloads {
			got = append(got, len(p))
		}
		assert.Equal(t, c.want, got, name)
		checkFrame(t, c.unit, f)
	}
}
