package egress

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"
)

// rewriting is a stream of packets on their way through a shard to one viewer.
type rewriting struct {
	*bench
	*receiver
	wide  bool   // the viewer reports on the path
	next  uint16 // number that the viewer is to get next
	known bool
}

func newRewriting(t *testing.T, offer string) *rewriting {
	b := newBench(t)
	w := &rewriting{bench: b, receiver: b.watch(offer)}
	w.wide = w.lanes[0].transportID != 0
	w.video.WritePacket(hub.Incoming{Seq: 1, Timestamp: 1, Marker: true, Arrival: time.Now(), Payload: []byte{0x10, 0, 0}})
	w.seq = 2
	w.serve()
	w.check([]byte{0x10, 0, 0}, 1, true)
	return w
}

// burst writes packets of these sizes under one timestamp, sends them and
// checks what arrives.
func (w *rewriting) burst(sizes []int) {
	w.receiver.t.Helper()
	first := w.seq
	payloads := make([][]byte, len(sizes))
	for i, n := range sizes {
		payloads[i] = make([]byte, n)
		payloads[i][0], payloads[i][1] = 0x10, 1
		for j := 2; j < n; j++ {
			payloads[i][j] = byte(j * (i + 1))
		}
		w.video.WritePacket(hub.Incoming{
			Seq: w.seq, Timestamp: uint32(first), Marker: i == len(sizes)-1, Arrival: time.Now(), Payload: payloads[i],
		})
		w.seq++
	}
	for i := 0; i < len(sizes); i += trainSize {
		w.lanes[0].pace = pace{}
		w.serve()
	}
	for i, want := range payloads {
		w.check(want, uint32(first), i == len(sizes)-1)
	}
}

// check takes one packet, which is to be as it was published but for what is
// the viewer's own.
func (w *rewriting) check(payload []byte, stamp uint32, marker bool) {
	t := w.receiver.t
	t.Helper()
	w.hear(1)
	var got rtp.Packet
	require.NoError(t, got.Unmarshal(w.last))
	require.Equal(t, payload, got.Payload)
	require.LessOrEqual(t, int(got.PaddingSize), maxPadding)
	require.Equal(t, marker, got.Marker)
	require.Equal(t, w.lanes[0].ssrc, got.SSRC)
	require.Equal(t, w.lanes[0].payload.pt, got.PayloadType)
	if w.known {
		require.Equal(t, w.next, got.SequenceNumber)
		require.Equal(t, stamp, got.Timestamp)
	}
	w.next, w.known = got.SequenceNumber+1, true
	number := got.GetExtension(w.lanes[0].transportID)
	require.Equal(t, w.wide, len(number) == 2)
	if w.wide {
		w.flow.Show()
		require.Equal(t, uint16(w.flow.Statistics().Packets)-1-uint16(w.waitingPackets()), binary.BigEndian.Uint16(number), "numbers of the path follow each other")
	}
}

// waitingPackets are those that were sent and not taken yet.
func (w *rewriting) waitingPackets() uint64 {
	w.heard++
	return w.shard.engine.count.packets.Value() - w.heard
}

func TestUnevenPacketsLeaveInOneTrain(t *testing.T) {
	t.Parallel()
	w := newRewriting(t, numbered())
	require.NotZero(t, w.lanes[0].transportID)
	w.burst([]int{1199, 1199, 1200, 1200, 1200, 1199, 900})
	sizes := map[int]int{}
	for _, b := range w.sent {
		sizes[len(b)]++
	}
	require.Len(t, sizes, 3, "the keyframe, six of one length, and what ends the train: %v", sizes)
}

func TestPacketsOfAViewerWithoutRTXAreNotPadded(t *testing.T) {
	t.Parallel()
	w := newRewriting(t, withoutRTX())
	require.Zero(t, w.lanes[0].transportID)
	w.burst([]int{1199, 1200, 1199})
	for _, b := range w.sent {
		require.Zero(t, b[0]&0x20)
	}
}

// Whatever the sizes, every packet arrives as it was published.
func FuzzRewriting(f *testing.F) {
	f.Add([]byte{200, 200, 201, 3, 0, 255}, true)
	f.Add([]byte{0}, false)
	f.Add([]byte{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 99, 99, 250}, true)
	f.Fuzz(func(t *testing.T, sizes []byte, rtx bool) {
		if len(sizes) == 0 || len(sizes) > 100 {
			return
		}
		offer := numbered()
		if !rtx {
			offer = withoutRTX()
		}
		w := newRewriting(t, offer)
		burst := make([]int, len(sizes))
		for i, n := range sizes {
			burst[i] = 3 + int(n)*5 - int(n)%3
		}
		w.burst(burst)
	})
}
