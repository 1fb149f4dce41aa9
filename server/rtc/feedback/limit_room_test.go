package feedback

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// trains has trains of n packets cross a path whose link needs each for a packet.
func trains(r *room, count, n int, each time.Duration) {
	const size = 1250
	at := r.train.last
	for range count {
		at += 400
		sent, next := int64(at), r.train.next
		for i := range n {
			arrives := at + uint32(time.Duration(i)*each/(250*time.Microsecond))
			r.arrived(next+uint64(i), sent, arrives, size)
		}
		at += uint32(time.Duration(n) * each / (250 * time.Microsecond))
	}
	r.arrived(r.train.next, -1, at, size) // another begins
}

func TestRoomOfAPath(t *testing.T) {
	t.Parallel()
	for _, each := range []time.Duration{10 * time.Millisecond, time.Millisecond, 500 * time.Microsecond} {
		var r room
		trains(&r, 2, 16, each)
		require.InEpsilon(t, 10_000/each.Seconds(), r.rate, 0.03)
	}
	var r room
	trains(&r, 9, trainLeast-1, time.Millisecond)
	require.Zero(t, r.rate, "too few packets to tell")
	trains(&r, 1, 16, 0)
	require.Greater(t, r.rate, 500e6, "all at once")
}

// A receiver that is stopped for a moment, or reads late, is no other path.
func TestRoomOutlastsAStop(t *testing.T) {
	t.Parallel()
	var r room
	trains(&r, 3, 16, time.Millisecond)
	trains(&r, 1, 16, 20*time.Millisecond)
	trains(&r, 1, 16, 0)
	require.InEpsilon(t, 10e6, r.rate, 0.03)
	trains(&r, 3, 16, 2*time.Millisecond)
	require.InEpsilon(t, 5e6, r.rate, 0.03, "the path has changed")
	trains(&r, 5, 16, time.Minute)
	require.EqualValues(t, least, r.rate)
}

func TestRoomOfTwoTrainsIsTheLesser(t *testing.T) {
	t.Parallel()
	var r room
	trains(&r, 1, 16, 0)
	trains(&r, 1, 16, time.Millisecond)
	require.InEpsilon(t, 10e6, r.rate, 0.03)
}

// What is lost of a train, or comes in another order, does not make it faster.
func TestRoomOfATrainWithHoles(t *testing.T) {
	t.Parallel()
	var r room
	for i := range uint64(30) {
		if i%3 != 1 {
			r.arrived(i, 5, uint32(4*i), 1250)
		}
	}
	r.arrived(30, 5, 90, 1250)
	r.tell(1)
	require.InEpsilon(t, 1250*8*20/(29*4*250e-6), r.rate, 0.1)
}

// A busy receiver reads what came in 15 ms all at once: trains alone look as if no
// link were narrow, those that follow each other do not.
func TestRoomOfAReceiverThatReadsLate(t *testing.T) {
	t.Parallel()
	const size, each, reads = 1250, 4, 60 // 10 Mbit/s; in units
	var r room
	arrives := int64(0)
	for n := range uint64(200) {
		sent := int64(n/16) * 14 * each // a little more than the link takes
		arrives = max(arrives, sent) + each
		r.arrived(n, sent, uint32((arrives+reads-1)/reads*reads), size)
		if r.rate > 0 {
			require.Less(t, r.rate, 20e6)
		}
	}
	require.InEpsilon(t, 10e6, r.rate, 0.25)
}
