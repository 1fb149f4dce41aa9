package feedback

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const ms = int64(time.Millisecond)

// reported reads a feedback packet with pion's parser: the number of each
// packet that it tells of, and the arrival in units of 250 us, -1 for none.
func reported(t *testing.T, b []byte) (first uint16, arrivals []int64) {
	t.Helper()
	packets, err := rtcp.Unmarshal(b)
	require.NoError(t, err)
	require.Len(t, packets, 1)
	cc, ok := packets[0].(*rtcp.TransportLayerCC)
	require.True(t, ok)
	var symbols []uint16
	for _, chunk := range cc.PacketChunks {
		switch c := chunk.(type) {
		case *rtcp.RunLengthChunk:
			for range c.RunLength {
				symbols = append(symbols, c.PacketStatusSymbol)
			}
		case *rtcp.StatusVectorChunk:
			symbols = append(symbols, c.SymbolList...)
		}
	}
	require.GreaterOrEqual(t, len(symbols), int(cc.PacketStatusCount))
	at, delta := int64(cc.ReferenceTime)*256, 0
	for _, s := range symbols[:cc.PacketStatusCount] {
		if s == rtcp.TypeTCCPacketNotReceived {
			arrivals = append(arrivals, -1)
			continue
		}
		at += cc.RecvDeltas[delta].Delta / 250
		delta++
		arrivals = append(arrivals, at)
	}
	require.Len(t, cc.RecvDeltas, delta)
	return cc.BaseSequenceNumber, arrivals
}

func TestFeedback(t *testing.T) {
	t.Parallel()
	type came struct {
		number uint16
		at     int64 // ms
	}
	for name, c := range map[string]struct {
		came  []came
		first uint16
		want  []int64 // ms, -1 for lost
	}{
		"in order":           {[]came{{5, 100}, {6, 101}, {7, 130}}, 5, []int64{100, 101, 130}},
		"lost":               {[]came{{5, 100}, {8, 101}}, 5, []int64{100, -1, -1, 101}},
		"out of order":       {[]came{{5, 100}, {7, 101}, {6, 104}}, 5, []int64{100, 104, 101}},
		"over the wrap":      {[]came{{65535, 100}, {0, 101}, {2, 102}}, 65535, []int64{100, 101, -1, 102}},
		"a long time":        {[]came{{5, 100}, {6, 2000}}, 5, []int64{100, 2000}},
		"before the first":   {[]came{{5, 100}, {4, 101}}, 5, []int64{100}},
		"twelve, not a word": {[]came{{1, 1}, {2, 1}, {3, 1}, {4, 300}, {5, 300}}, 1, []int64{1, 1, 1, 300, 300}},
		"far ahead":          {[]came{{5, 100}, {5000, 101}}, 5000, []int64{101}},
	} {
		var f Transport
		for _, p := range c.came {
			f.Note(p.number, p.at*ms)
		}
		first, got := reported(t, f.AppendTo(nil, 7))
		assert.Equal(t, c.first, first, name)
		for i := range got {
			if got[i] >= 0 {
				got[i] /= 4
			}
		}
		assert.Equal(t, c.want, got, name)
		assert.Empty(t, f.AppendTo(nil, 7), "%s: nothing is told twice", name)
	}
}

func TestFeedbackGoesOn(t *testing.T) {
	t.Parallel()
	var f Transport
	told := 0
	next := uint16(65000)
	for i := range 5000 {
		if i%7 != 3 {
			f.Note(uint16(65000+i), int64(i+1)*ms)
		}
		if i%900 != 899 {
			continue
		}
		for b := f.AppendTo(nil, 7); len(b) > 0; b = f.AppendTo(nil, 7) {
			first, got := reported(t, b)
			require.Equal(t, next, first)
			next += uint16(len(got))
			told += len(got)
		}
	}
	assert.Equal(t, 4500, told, "all but what came after the last")
	f.Note(next+505, int64(time.Minute))
	_, got := reported(t, f.AppendTo(nil, 7))
	assert.Len(t, got, 505, "a minute does not fit into a delta: the rest is told next time")
	first, got := reported(t, f.AppendTo(nil, 7))
	assert.Equal(t, next+505, first)
	assert.Len(t, got, 1)
}

func TestTransportNumber(t *testing.T) {
	t.Parallel()
	packet := func(profile uint16, id uint8, payload []byte) []byte {
		h := rtp.Header{Version: 2, Extension: true, ExtensionProfile: profile, CSRC: []uint32{1}}
		require.NoError(t, h.SetExtension(1, []byte{'a', 'b', 'c'}))
		require.NoError(t, h.SetExtension(id, payload))
		b, err := (&rtp.Packet{Header: h, Payload: []byte{1}}).Marshal()
		require.NoError(t, err)
		return b
	}
	number := binary.BigEndian.AppendUint16(nil, 0x1234)
	good := packet(0xbede, 3, number)
	got, ok := Number(good, 3)
	assert.True(t, ok)
	assert.Equal(t, uint16(0x1234), got)
	for name, b := range map[string][]byte{
		"other id":         packet(0xbede, 4, number),
		"one byte":         packet(0xbede, 3, number[:1]),
		"two-byte headers": packet(0x1000, 3, number),
		"cut":              good[:20],
		"no extension":     {0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0},
	} {
		_, ok := Number(b, 3)
		assert.False(t, ok, name)
	}
	_, ok = Number(good, 0)
	assert.False(t, ok, "not negotiated")
}
