package clip

import (
	"bytes"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStampRoundTrip(t *testing.T) {
	t.Parallel()
	for _, s := range []Stamp{{1, 0}, {1_700_000_000_000_000_000, 0}, {math.MaxInt64, math.MaxUint32}, {0x0000_0100_0000_0001, 7}} {
		for size := range 1200 {
			nal, at := stampNAL(size)
			s.put(nal[at:])
			got, ok := ReadStamp(nal[1:])
			require.True(t, ok, "size %d", size)
			require.Equal(t, s, got)
			require.NotContains(t, string(nal), "\x00\x00", "needs no emulation prevention")
			if size > 50 {
				require.Contains(t, []int{size, size - 1}, len(nal))
			}
		}
	}
}

func TestReadStamp(t *testing.T) {
	t.Parallel()
	want := Stamp{SentNs: 12345, Frame: 6}
	nal, at := stampNAL(300)
	want.put(nal[at:])
	body := nal[1:]
	other := []byte{1, 4, 0, 0, 3, 1, 9} // pic_timing with an escaped byte: 4 bytes of payload
	wrongID := bytes.Clone(body)
	wrongID[5]++
	notHex := bytes.Clone(body)
	notHex[at] = 'x'
	for name, c := range map[string]struct {
		body []byte
		ok   bool
	}{
		"alone":            {body, true},
		"after another":    {append(other, body...), true},
		"cut after digits": {body[:at-1+stampDigits], true},
		"cut in digits":    {body[:at-1+stampDigits-1], false},
		"other UUID":       {wrongID, false},
		"no digits":        {notHex, false},
		"only 255s":        {bytes.Repeat([]byte{255}, 100), false},
		"empty":            {nil, false},
		"too long":         {make([]byte, seiLongestBytes+1), false},
	} {
		got, ok := ReadStamp(c.body)
		assert.Equal(t, c.ok, ok, name)
		if c.ok {
			assert.Equal(t, want, got, name)
		}
	}
}

func FuzzReadStamp(f *testing.F) {
	nal, _ := stampNAL(200)
	f.Add(nal[1:])
	f.Add([]byte{5, 255, 255})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := ReadStamp(body)
		if !ok {
			return
		}
		nal, at := stampNAL(0)
		got.put(nal[at:])
		again, ok := ReadStamp(nal[1:])
		require.True(t, ok)
		require.Equal(t, got, again)
	})
}
