package egress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/hub"
)

// A source may send the packets of a frame further apart than a burst lasts:
// the shard is woken for each, and none waits for the end of its frame.
func TestSlowFrameWakesTheShard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.watch(chromiumOffer)
	b.packets(true, 1)
	b.serve()
	r.hear(1)
	for packet := range 3 {
		for len(b.shard.wakeup) > 0 {
			<-b.shard.wakeup
		}
		b.video.WritePacket(hub.Incoming{
			Seq: b.seq, Timestamp: 90_000, Arrival: time.Now(), Payload: []byte{0x10, 1, 0, 0},
		})
		b.seq++
		select {
		case <-b.shard.wakeup:
		case <-time.After(10 * time.Second):
			require.Failf(t, "nobody woke the shard", "packet %d", packet)
		}
		b.shard.serve(b.shard.groups[r.sub.Stream()])
		r.hear(1)
	}
}
