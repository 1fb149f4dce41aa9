package egress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestOrdinaryFrameLeavesAtOnce(t *testing.T) {
	t.Parallel()
	var p pace
	for frame := range 100 {
		n, again := p.allow(12, time.Duration(frame)*time.Second/60)
		require.Equal(t, 12, n)
		require.Zero(t, again)
	}
}

func TestKeyframeIsSpaced(t *testing.T) {
	t.Parallel()
	var p pace
	now, left := time.Second, 40
	var trains []int
	for left > 0 {
		n, again := p.allow(left, now)
		trains, left = append(trains, n), left-n
		now += again
	}
	require.Equal(t, []int{16, 16, 8}, trains)
	require.Equal(t, time.Second+6*time.Millisecond, now, "16 packets have 4 ms, and the last 8 need but half of that again")
}

func TestPacketsAfterATrainAreSpacedToo(t *testing.T) {
	t.Parallel()
	var p pace
	n, _ := p.allow(16, 0)
	require.Equal(t, 16, n)
	n, again := p.allow(16, time.Millisecond)
	require.Zero(t, n, "the publisher sends a keyframe in bursts of its own")
	require.Equal(t, 3*time.Millisecond, again)
}

func TestFullPathGetsShortTrains(t *testing.T) {
	t.Parallel()
	p := pace{each: 10 * time.Millisecond, full: true}
	n, again := p.allow(100, time.Second)
	require.Equal(t, slowTrain, n)
	require.Equal(t, 40*time.Millisecond, again)
	n, again = p.allow(96, time.Second+20*time.Millisecond)
	require.Zero(t, n)
	require.Equal(t, 20*time.Millisecond, again)
}

// Whatever waits: no more than a train leaves at once, nothing waits for ever,
// and a link of 77 Mbit/s is never overrun by more than a train.
func TestPaceHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p pace
		now, waiting, sent := time.Duration(0), 0, 0
		fastest := perPacket / 2
		for range rapid.IntRange(1, 60).Draw(t, "turns") {
			waiting += rapid.IntRange(0, 300).Draw(t, "come")
			n, again := p.allow(waiting, now)
			require.LessOrEqual(t, n, trainSize)
			require.GreaterOrEqual(t, n, 0)
			waiting -= n
			sent += n
			require.Equal(t, waiting > 0, again > 0)
			require.LessOrEqual(t, again, trainSize*perPacket)
			require.LessOrEqual(t, sent, trainSize+int(now/fastest)+1)
			now += again + time.Duration(rapid.IntRange(0, 2000).Draw(t, "later"))*time.Microsecond
		}
	})
}
