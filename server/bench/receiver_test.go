package bench

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/bench/clip"
)

func testReceiver() *receiver {
	var t atomic.Pointer[tally]
	t.Store(&tally{})
	return newReceiver(&t)
}

const ms = int64(time.Millisecond)

// feed gives frames of the clip to r: frame i is sent at i*10 ms, its packets
// arrive 1 ms apart from then on, and keep says which of them do.
func feed(t *testing.T, r *receiver, frames int, keep func(frame, packet int) bool) {
	t.Helper()
	seq := uint16(65500)
	for i, f := range tinyClip().Frames[:frames] {
		at := int64(i+1) * 10 * ms
		f.Stamp(clip.Stamp{SentNs: at, Frame: uint32(i)})
		for j, payload := range f.Payloads {
			h := rtp.Header{Version: 2, PayloadType: ptVideo, SequenceNumber: seq, Timestamp: uint32(i) * 900,
				SSRC: 5, Marker: j == len(f.Payloads)-1}
			seq++
			b, err := (&rtp.Packet{Header: h, Payload: payload}).Marshal()
			require.NoError(t, err)
			if keep(i, j) && r.packet(b, at+int64(j+1)*ms) {
				r.decrypted(b)
			}
		}
	}
}

func TestReceiver(t *testing.T) {
	t.Parallel()
	always := func(int, int) bool { return true }
	for name, c := range map[string]struct {
		keep      func(frame, packet int) bool
		whole     uint64
		lost      uint64
		stalls    uint64
		decodable bool
	}{
		"all":                  {always, 200, 0, 0, true},
		"no first packet":      {func(f, p int) bool { return f != 6 || p > 0 }, 199, 1, 0, true},
		"no last packet":       {func(f, p int) bool { return f != 3 || p < 3 }, 199, 1, 0, true},
		"no middle packet":     {func(f, p int) bool { return f != 3 || p != 1 }, 199, 1, 0, true},
		"a whole frame":        {func(f, p int) bool { return f != 4 }, 199, 1, 0, true},
		"a stall":              {func(f, p int) bool { return f < 100 || f >= 125 }, 175, 67, 1, true},
		"no keyframe":          {func(f, p int) bool { return f > 0 }, 199, 0, 0, false},
		"a hole in a keyframe": {func(f, p int) bool { return f > 0 || p != 2 }, 199, 1, 0, false},
	} {
		r := testReceiver()
		feed(t, r, 200, c.keep)
		got := r.read(r.frames.lastWhole)
		assert.Equal(t, c.whole, got.frames.whole, name)
		assert.Equal(t, c.lost, got.video.Lost, name)
		assert.Equal(t, c.stalls, got.frames.stalls, name)
		assert.Equal(t, c.decodable, r.join.decodable != 0, name)
		if !c.decodable {
			assert.Len(t, r.wantKey, 1, "%s: asks for a keyframe", name)
		}
		tally := r.tally.Load()
		assert.Equal(t, c.whole, tally.latency.total.Load(), name)
		assert.LessOrEqual(t, tally.latency.max.Load(), 5*ms, "%s: the last packet of five comes after 5 ms", name)
		assert.Equal(t, c.decodable, got.packets.passed < got.packets.total, "%s: only the start is decrypted in full", name)
		assert.Equal(t, got.packets.passed, got.packets.opened, name)
	}
}

func TestReceiverWaitsForALateKeyframe(t *testing.T) {
	t.Parallel()
	r := testReceiver()
	feed(t, r, 510, func(f, _ int) bool { return f > 0 })
	assert.NotZero(t, r.join.decodable, "the keyframe is frame 500")
}

func TestReceiverCountsAnOpenStall(t *testing.T) {
	t.Parallel()
	r := testReceiver()
	feed(t, r, 50, func(int, int) bool { return true })
	r.mark(r.frames.lastWhole + 10*ms)
	from := r.frames.lastWhole
	assert.Zero(t, r.read(from+199*ms).frames.stalls)
	assert.Equal(t, uint64(1), r.read(from+300*ms).frames.stalls)
	assert.Zero(t, r.read(from+199*ms).frames.stalls, "reading changes nothing")
	assert.Zero(t, r.read(from).video.Expected)
}

func TestReceiverWithoutStamps(t *testing.T) {
	t.Parallel()
	r := testReceiver()
	packet := func(seq uint16, payload ...byte) {
		b, err := (&rtp.Packet{Payload: payload, Header: rtp.Header{
			Version: 2, PayloadType: ptVideo, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true,
		}}).Marshal()
		require.NoError(t, err)
		r.packet(b, int64(seq)*ms)
		r.decrypted(b)
	}
	packet(9, clip.NALSPS, 1)
	packet(10, clip.NALIDR, 0x88)
	packet(11, clip.NALSlice, 0x9a)
	assert.Equal(t, uint64(3), r.read(12*ms).frames.whole, "whole by sequence numbers alone")
	assert.NotZero(t, r.join.decodable)
	assert.Zero(t, r.tally.Load().latency.total.Load())
}
