package egress

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

// The load of the benchmarks: bursts to a hundred viewers.
const (
	benchViewers = 100
	benchBurst   = 8
	benchPayload = 1200
)

// BenchmarkServe sends bursts to 100 viewers: what one core does for each packet
// that is delivered, without the wake-ups. In the same minute it does what no
// sender can go below, and reports it (limit-ns/packet) and its share of the
// whole. It fails when anything is allocated for a packet.
func BenchmarkServe(b *testing.B) {
	for _, c := range []struct {
		name   string
		uneven int // by how many bytes the first half of a burst is shorter, as browsers cut a frame
	}{{"equal", 0}, {"uneven", 1}} {
		b.Run(c.name, func(b *testing.B) {
			p, to := benchPort(b)
			s, in := benchShard(b, p, to)
			frame, floor := frames(s, in, c.uneven), least(b, p, to)
			for range 10 {
				frame()
			}
			if n := testing.AllocsPerRun(100, frame); n > 1 { // the ring's chunks, not the viewers
				b.Fatalf("%v allocations for %d packets", n, benchViewers*benchBurst)
			}
			var whole, floorTime time.Duration
			for b.Loop() {
				began := time.Now()
				frame()
				middle := time.Now()
				floor()
				whole, floorTime = whole+middle.Sub(began), floorTime+time.Since(middle)
			}
			packets := float64(b.N * benchViewers * benchBurst)
			b.ReportMetric(float64(whole.Nanoseconds())/packets, "ns/packet")
			b.ReportMetric(float64(floorTime.Nanoseconds())/packets, "limit-ns/packet")
			b.ReportMetric(100*float64(floorTime)/float64(whole), "%-of-limit")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// frames returns what writes one burst into a stream and has its shard send it.
func frames(s *shard, in *hub.Input, uneven int) func() {
	payload := make([]byte, benchPayload)
	payload[0], payload[1] = 0x10, 0x01
	var seq uint16
	return func() {
		for i := range benchBurst {
			size := benchPayload
			if i < benchBurst/2 {
				size -= uneven
			}
			in.WritePacket(hub.Incoming{
				Seq: seq, Timestamp: uint32(seq), Marker: i == benchBurst-1, Arrival: time.Now(), Payload: payload[:size],
			})
			seq++
		}
		s.read()
		for _, g := range s.groups {
			for _, v := range g.viewers {
				v.lane(media.Video).pace = pace{} // flat out: as if the time for each train had passed
			}
			s.serve(g)
		}
	}
}

// least returns what does the least that a burst can cost: for each viewer a
// header, AES-GCM and one system call for the burst.
func least(b *testing.B, p *port.Port, to netip.AddrPort) func() {
	b.Helper()
	block, err := aes.NewCipher(make([]byte, 16))
	require.NoError(b, err)
	gcm, err := cipher.NewGCM(block)
	require.NoError(b, err)
	payload, slab, nonce := make([]byte, benchPayload), make([]byte, slabSize), make([]byte, 12)
	var seq uint16
	return func() {
		for range benchViewers {
			end := 0
			for i := range benchBurst {
				putHeader(slab[end:], i == benchBurst-1, 96, seq+uint16(i), uint32(seq), 1)
				nonce[0], nonce[1] = byte(seq>>8), byte(seq)+byte(i)
				header := slab[end : end+headerSize]
				end += len(gcm.Seal(slab[end+headerSize:end+headerSize], nonce, payload, header)) + headerSize
			}
			if err := p.Sender(0).SendSegments(slab[:end], headerSize+benchPayload+seal.Overhead, to); err != nil {
				b.Fatal(err)
			}
		}
		seq += benchBurst
	}
}

// benchPort returns a port that runs and the address of a socket that nobody
// reads.
func benchPort(b *testing.B) (*port.Port, netip.AddrPort) {
	b.Helper()
	drain, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = drain.Close() })
	return runPort(b), drain.LocalAddr().(*net.UDPAddr).AddrPort()
}

// benchShard returns a shard whose viewers are all at one address, and the input
// of their stream's video.
func benchShard(b *testing.B, p *port.Port, to netip.AddrPort) (*shard, *hub.Input) {
	b.Helper()
	e, err := New(Config{Port: p})
	require.NoError(b, err)
	h := hub.New(hub.Config{})
	pub, err := h.Publish(publishGrant, &source{asked: make(chan struct{}, 1)}, hub.Options{})
	require.NoError(b, err)
	in, err := pub.AddTrack(media.Video, vp8)
	require.NoError(b, err)
	in.WritePacket(hub.Incoming{Seq: 65_535, Marker: true, Arrival: time.Now(), Payload: []byte{0x10, 0, 0}})
	for range benchViewers {
		addViewer(b, e, h, to)
	}
	return e.shards[0], in
}

func addViewer(b *testing.B, e *Engine, h *hub.Hub, to netip.AddrPort) {
	b.Helper()
	sub, err := h.Watch(context.Background(), watchGrant)
	require.NoError(b, err)
	v, _, err := e.Watch(sub, offered(b, chromiumOffer))
	require.NoError(b, err)
	v.to.Store(&to)
	e.shards[0].add(v, benchSealer(b))
}

func benchSealer(b *testing.B) *seal.Sealer {
	b.Helper()
	key, salt := make([]byte, 16), make([]byte, 12)
	_, _ = rand.Read(key)
	out, err := seal.New(srtp.ProtectionProfileAeadAes128Gcm, key, salt)
	require.NoError(b, err)
	return out
}
