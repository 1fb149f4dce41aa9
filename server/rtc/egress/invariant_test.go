package egress

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

// chaos does to one viewer what publishers, networks and clients do.
type chaos struct {
	*bench
	*receiver
	random *rand.Rand
	stamp  uint32
	codecs []media.Codec
}

// packet writes one packet, at some step from the last; no two are alike.
func (c *chaos) packet(step int) {
	c.seq += uint16(step)
	payload := make([]byte, 4+c.random.IntN(4), 16)           // of lengths that are padded to one
	payload[0], payload[1] = 0x18, byte(c.random.IntN(8)/7)^1 // VP8 and VP9: begins a frame, seldom a keyframe
	payload = binary.BigEndian.AppendUint64(payload, c.random.Uint64())
	if step > 0 {
		c.stamp += 3000
	}
	c.video.WritePacket(hub.Incoming{
		Seq: c.seq, Timestamp: c.stamp, Marker: true, Arrival: time.Now(), Payload: payload,
	})
}

func (c *chaos) step() {
	switch c.random.IntN(20) {
	case 0, 1, 2, 3:
		c.serve()
		c.all() // before the socket's buffer is full
	case 4, 5:
		c.nackAll()
	case 6:
		c.packet(-c.random.IntN(40))
	case 7:
		c.packet(2 + c.random.IntN(5))
	case 8:
		c.packet(c.random.IntN(1 << 16))
	case 9:
		c.lane(media.Video).fellBehind(time.Now())
	case 10:
		c.publish(c.codecs[c.random.IntN(len(c.codecs))])
		c.seq = uint16(c.random.Uint32())
	default:
		for range c.random.IntN(60) {
			c.packet(1)
		}
	}
}

// all hears what there is.
func (c *chaos) all() {
	sent := c.shard.engine.count.packets.Value()
	c.hear(int(sent - c.heard))
	c.heard = sent
}

// Whatever happens, one SRTP index seals one packet.
func TestNoIndexIsUsedTwice(t *testing.T) {
	t.Parallel()
	offers := []string{withoutRTX(), chromiumOffer}
	for seed := range uint64(20) {
		b := newBench(t)
		c := &chaos{
			bench: b, receiver: b.watch(offers[seed%2]), random: rand.New(rand.NewPCG(seed, 1)),
			codecs: []media.Codec{vp8, {Name: media.VP9, ClockRate: 90_000}},
		}
		for range 300 {
			c.step()
		}
		c.serve()
		c.all()
		require.NotEmpty(t, c.sent)
		require.NoError(t, c.Reason())
	}
}
