package turn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
)

// What we write ourselves is what any STUN library reads.
func TestDataIndication(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"192.0.2.7:8443", "[2001:db8::7]:8443"} {
		h := header{peer: netip.MustParseAddrPort(from)}
		for size := range 9 {
			data := bytes.Repeat([]byte{0xab}, size)
			m := &stun.Message{Raw: h.append(nil, data, false, 1<<40)}
			require.Len(t, m.Raw, h.frameSize(size, false))
			require.NoError(t, m.Decode())
			require.Equal(t, stun.NewType(stun.MethodData, stun.ClassIndication), m.Type)
			var x stun.XORMappedAddress
			require.NoError(t, x.GetFromAs(m, stun.AttrXORPeerAddress))
			require.Equal(t, from, x.String())
			got, err := m.Get(stun.AttrData)
			require.NoError(t, err)
			require.Equal(t, data, got)
		}
	}
}

// A connection takes so much and no more, all together take less each, down to a
// chunk, and what does not fit is refused as a whole.
func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	var taken atomic.Int64
	h, burst := header{channel: 0x4000}, make([]byte, 13*1200) // there is no room for more in a chunk
	fill := func(o *output) (n int) {
		for o.put(h, burst, 1200) {
			n++
		}
		return n
	}
	one := newOutput(&taken)
	require.Equal(t, maxChunks, fill(one))
	require.EqualValues(t, maxChunks, taken.Load())
	for len(one.waiting) > 0 {
		k := one.take()
		require.Equal(t, 13*1204, k.n)
		one.free(k)
	}
	require.Zero(t, taken.Load())
	taken.Store(maxChunksInAll/2 + 1)
	require.Equal(t, maxChunksCrowded, fill(newOutput(&taken)))
	taken.Store(maxChunksInAll)
	last := newOutput(&taken)
	require.Equal(t, 1, fill(last), "many that are stuck do not silence one that reads")
	last.free(last.take())
	require.Equal(t, 1, fill(last))
	require.False(t, one.put(h, make([]byte, chunkSize), chunkSize), "longer than a chunk")
	taken.Store(0)
	require.True(t, one.put(h, burst, 1200))
	one.close()
	one.close()
	require.Zero(t, taken.Load(), "nothing stays behind")
	require.True(t, one.put(h, burst, 1200), "a client that has gone is no want of room")
	require.Zero(t, taken.Load())
}

// listening is a client of each kind with a channel and a session, to which the
// test sends.
func listening(t testing.TB, h *house, network string) (r *raw, virtual netip.AddrPort) {
	t.Helper()
	r = h.guest(t, network)
	virtual = r.allocate()
	require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
	return r, virtual
}

// A client that does not read loses what there is no room for, at once and for
// itself only. What it reads later is whole and in order.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			r, virtual := listening(t, h, network)
			sent := uint32(0)
			train := make([]byte, 8*1200)
			for { // no longer than the kernel's buffers and ours
				for i := range 8 {
					binary.BigEndian.PutUint32(train[i*1200:], sent+uint32(i))
				}
				err := h.port.Sender(0).SendSegments(train, 1200, virtual)
				if errors.Is(err, port.ErrFull) {
					break
				}
				require.NoError(t, err)
				sent += 8
				require.Less(t, sent, uint32(1<<16), "it never fills")
			}
			frame := make([]byte, 1204)
			for want := range sent {
				_, err := io.ReadFull(r.conn, frame)
				require.NoError(t, err)
				require.Equal(t, []byte{0x40, 0, 1200 >> 8, 1200 & 0xff}, frame[:4])
				require.Equal(t, want, binary.BigEndian.Uint32(frame[4:]))
			}
			require.NoError(t, h.port.Send([]byte("again"), virtual))
			require.Eventually(t, func() bool { return h.chunks.Load() == 0 }, patience, time.Millisecond)
		})
	}
}

// Neither by UDP nor by TCP costs a packet any memory on its way to the client.
func TestBurstsAllocateNothing(t *testing.T) {
	for network, most := range map[string]float64{"udp": 0, "tcp": 0, "tls": 1} { // package tls takes one to read a record
		h := open(t)
		r, virtual := listening(t, h, network)
		train, in := make([]byte, 8*1200), make([]byte, 1<<20)
		frames := func(n int) {
			for size := 0; size < n*1204; {
				k, err := r.conn.Read(in)
				require.NoError(t, err)
				size += k
			}
		}
		round := func() {
			_ = h.port.Sender(0).SendSegments(train, 1200, virtual)
			frames(8)
		}
		for range 20 { // TLS begins with small records
			round()
		}
		if raceDetector {
			continue // it throws pooled buffers away
		}
		require.LessOrEqual(t, testing.AllocsPerRun(100, round), most, network)
	}
}
