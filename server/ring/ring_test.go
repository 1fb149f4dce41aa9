package ring

import (
	"sync"
	"testing"

	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

func packet(seq uint64, ts uint32, key bool) media.Packet {
	return media.Packet{Seq: seq, Timestamp: ts, Keyframe: key, Payload: []byte{byte(seq), byte(ts)}}
}

func TestPutGet(t *testing.T) {
	t.Parallel()
	r := New(8, 100)
	require.EqualValues(t, 100, r.Head())
	for seq := uint64(100); seq < 120; seq++ {
		require.NotNil(t, r.Put(packet(seq, uint32(seq), false)))
	}
	require.EqualValues(t, 120, r.Head())
	require.EqualValues(t, 112, r.Tail())
	require.Nil(t, r.Get(111), "overwritten")
	require.Equal(t, []byte{112, 112}, r.Get(112).Payload)
	require.Nil(t, r.Get(120), "not yet written")
	require.Nil(t, r.Put(packet(115, 115, false)), "a duplicate")
	require.Nil(t, r.Put(packet(112-8, 1, false)), "too old")
}

func TestLatePacketFillsItsGap(t *testing.T) {
	t.Parallel()
	r := New(16, 0)
	r.Put(packet(0, 1, true))
	r.Put(packet(3, 2, false))
	require.Nil(t, r.Get(1))
	require.NotNil(t, r.Put(packet(1, 1, false)))
	require.EqualValues(t, 4, r.Head(), "a late packet does not move the head")
	require.NotNil(t, r.Get(1))
}

func TestKeyframeIndex(t *testing.T) {
	t.Parallel()
	r := New(16, 0)
	_, ok := r.Keyframe()
	require.False(t, ok)
	r.Put(packet(0, 10, false)) // parameter sets that nothing marks yet
	r.Put(packet(1, 10, true))  // the keyframe's slice, same frame
	r.Put(packet(2, 20, false))
	seq, ok := r.Keyframe()
	require.True(t, ok)
	require.EqualValues(t, 0, seq, "the keyframe begins with its frame's first packet")

	r.Put(packet(5, 30, false)) // 3 and 4 are lost; 3 began a keyframe
	r.Put(packet(4, 30, false))
	r.Put(packet(3, 30, true))
	seq, ok = r.Keyframe()
	require.True(t, ok)
	require.EqualValues(t, 3, seq, "found although it came late")

	r.Put(packet(2, 20, true))
	seq, _ = r.Keyframe()
	require.EqualValues(t, 3, seq, "an older keyframe does not replace a newer one")

	for s := uint64(6); s < 25; s++ {
		r.Put(packet(s, uint32(s), false))
	}
	_, ok = r.Keyframe()
	require.False(t, ok, "its packet is gone")
}

func TestPayloadIsCopied(t *testing.T) {
	t.Parallel()
	r := New(8, 0)
	b := []byte{1, 2, 3}
	p := r.Put(media.Packet{Payload: b})
	b[0] = 9
	require.Equal(t, []byte{1, 2, 3}, p.Payload)
}

func TestReadersSeeWholePackets(t *testing.T) {
	t.Parallel()
	r := New(64, 0)
	var wg sync.WaitGroup
	for range 2 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for r.Head() < 20_000 {
				h := r.Head()
				for s := r.Tail(); s < h; s++ {
					if p := r.Get(s); p != nil && (p.Seq != s || p.Payload[0] != byte(s)) {
						t.Errorf("packet %d holds %d", s, p.Seq)
						return
					}
				}
			}
		}()
	}
	for s := uint64(0); s < 20_000; s++ {
		r.Put(packet(s, uint32(s), s%50 == 0))
	}
	wg.Wait()
}

func TestTrim(t *testing.T) {
	t.Parallel()
	r := New(16, 100)
	put := func(seq uint64, keyframe bool) {
		r.Put(media.Packet{Seq: seq, Timestamp: uint32(seq), Arrival: int64(seq), Payload: []byte{1}, Keyframe: keyframe})
	}
	r.Trim(1000)
	for seq := range uint64(8) {
		put(100+seq, seq == 0 || seq == 5)
	}
	r.Trim(103)
	require.EqualValues(t, 103, r.Tail(), "what is younger stays")
	require.Nil(t, r.Get(102))
	require.NotNil(t, r.Get(103))
	r.Trim(1000)
	require.EqualValues(t, 105, r.Tail(), "the newest keyframe stays")
	require.NotNil(t, r.Get(105))
	for seq := range uint64(16) {
		put(108+seq, false)
	}
	require.EqualValues(t, 108, r.Tail())
}

// A viewer may ask again for what was let go. Under the number of a packet that
// it has seen there must never be another, or two packets share an SRTP index.
func TestNothingComesBackAfterTrim(t *testing.T) {
	t.Parallel()
	r := New(16, 0)
	for seq := range uint64(4) {
		r.Put(packet(seq, 1, seq == 0))
	}
	key := packet(4, 2, true)
	key.Arrival = 10
	r.Put(key)
	r.Trim(10)
	require.Nil(t, r.Get(2))
	require.Nil(t, r.Put(packet(2, 99, false)))
	require.Nil(t, r.Get(2))
}
