package ingest

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRTP(t *testing.T) {
	t.Parallel()
	fixed := []byte{0x80, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 1, 2, 3, 4}
	with := func(first byte, rest ...byte) []byte {
		b := append([]byte(nil), fixed...)
		b[0] = first
		return append(b, rest...)
	}
	for _, tt := range []struct {
		name    string
		in      []byte
		payload []byte
		ok      bool
	}{
		{"plain", with(0x80, 7, 8), []byte{7, 8}, true},
		{"no payload", with(0x80), []byte{}, true},
		{"padding", with(0xa0, 7, 8, 0, 2), []byte{7, 8}, true},
		{"padding alone", with(0xa0, 0, 0, 3), []byte{}, true},
		{"padding of zero", with(0xa0, 7, 8, 0, 0), nil, false},
		{"padding longer than the packet", with(0xa0, 7, 8, 0, 9), nil, false},
		{"padding without a byte", with(0xa0), nil, false},
		{"contributing sources", with(0x81, 1, 1, 1, 1, 7), []byte{7}, true},
		{"contributing sources cut", with(0x8f, 1, 1, 1, 1, 7), nil, false},
		{"extension", with(0x90, 0xbe, 0xde, 0, 1, 1, 1, 1, 1, 7), []byte{7}, true},
		{"extension cut", with(0x90, 0xbe, 0xde), nil, false},
		{"extension lies", with(0x90, 0xbe, 0xde, 0xff, 0xff, 7), nil, false},
		{"version 1", with(0x40, 7), nil, false},
		{"short", fixed[:11], nil, false},
		{"empty", nil, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, ok := parseRTP(tt.in)
			require.Equal(t, tt.ok, ok)
			if ok {
				assert.Equal(t, rtpPacket{0x60, 0x1234, 0x1000, true, tt.payload}, p)
			}
		})
	}
}

// FuzzParseRTP compares with another reader of the same format.
func FuzzParseRTP(f *testing.F) {
	f.Add([]byte{0x80, 0xe0, 0x12, 0x34, 0, 0, 0x10, 0, 1, 2, 3, 4, 5})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := parseRTP(b)
		if !ok {
			return
		}
		var other rtp.Packet
		if other.Unmarshal(b) != nil {
			return // it also reads the elements of extensions
		}
		if other.SequenceNumber != p.seq || other.Timestamp != p.stamp || other.Marker != p.marker {
			t.Fatalf("%+v is not %+v", p, other.Header)
		}
		if string(other.Payload) != string(p.payload) {
			t.Fatalf("payload %x is not %x", p.payload, other.Payload)
		}
	})
}

func TestGapsOfPaddingAreClosed(t *testing.T) {
	t.Parallel()
	var c closer
	assert.Equal(t, uint16(65534), c.number(65534))
	c.drop(65535)
	c.drop(0)
	assert.Equal(t, uint16(65535), c.number(1))
	assert.Equal(t, uint16(65533), c.number(65533), "an older one keeps its number")
	c.drop(1) // late: its number is taken
	c.drop(3)
	assert.Equal(t, uint16(1), c.number(4))
	assert.Equal(t, uint16(0), c.number(2), "one that was overtaken fits in")
	for seq := uint16(10); seq < 50; seq += 2 { // more than are remembered
		c.drop(seq)
		c.number(seq + 1)
	}
	assert.Equal(t, uint16(50-3-20), c.number(50))
}

func TestBucket(t *testing.T) {
	t.Parallel()
	b, now := newBucket(10), time.Unix(0, 0)
	for range 10 {
		assert.True(t, b.take(1, now))
	}
	assert.False(t, b.take(1, now))
	assert.False(t, b.take(1, now.Add(90*time.Millisecond)))
	assert.True(t, b.take(1, now.Add(190*time.Millisecond)))
	assert.True(t, b.take(10, now.Add(time.Hour)))
	assert.False(t, b.take(1, now.Add(time.Hour)), "no more than a second's worth is saved")
}
