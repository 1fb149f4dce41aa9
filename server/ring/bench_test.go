package ring

import (
	"testing"

	"github.com/heliograph/heliograph/server/media"
)

const benchSlots = 2048

// filled is a full ring of a video's packets.
func filled() (*Ring, uint64) {
	r := New(benchSlots, 0)
	payload := make([]byte, 1200)
	for seq := range uint64(benchSlots) {
		r.Put(media.Packet{Seq: seq, Timestamp: uint32(seq / 8), Payload: payload})
	}
	return r, benchSlots
}

// BenchmarkPut stores packets. Each is copied into a chunk of 48, so there is
// less than one allocation in ten packets.
func BenchmarkPut(b *testing.B) {
	r, seq := filled()
	payload := make([]byte, 1200)
	put := func() {
		r.Put(media.Packet{Seq: seq, Timestamp: uint32(seq / 8), Payload: payload})
		seq++
	}
	if n := testing.AllocsPerRun(10, func() {
		for range 100 {
			put()
		}
	}); n > 10 {
		b.Fatalf("%v allocations for 100 packets", n)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(payload)))
	for b.Loop() {
		put()
	}
}

// BenchmarkGet reads packets as each viewer does for all that it is sent.
func BenchmarkGet(b *testing.B) {
	r, seq := filled()
	at := uint64(0)
	get := func() {
		if r.Get(at) == nil {
			b.Fatal("a packet is gone")
		}
		if at++; at == seq {
			at = 0
		}
	}
	if n := testing.AllocsPerRun(benchSlots, get); n != 0 {
		b.Fatalf("%v allocations for a packet", n)
	}
	for b.Loop() {
		get()
	}
}
