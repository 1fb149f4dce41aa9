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
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

// BenchmarkServe sends frames of six packets to 100 viewers: what one core
// does for each packet that is delivered, without the wake-ups. It fails when
// anything is allocated for a packet.
func BenchmarkServe(b *testing.B) {
	const viewers, burst = 100, 6
	s, in := benchShard(b, viewers)
	payload := make([]byte, 1200)
	payload[0], payload[1] = 0x10, 0x01
	var seq uint16
	frame := func() {
		for i := range burst {
			in.WritePacket(hub.Incoming{
				Seq: seq, Timestamp: uint32(seq), Marker: i == burst-1, Arrival: time.Now(), Payload: payload,
			})
			seq++
		}
		s.read()
		for _, g := range s.groups {
			s.serve(g)
		}
	}
	for range 10 {
		frame()
	}
	if n := testing.AllocsPerRun(100, frame); n > 1 { // the ring's chunks, not the viewers
		b.Fatalf("%v allocations for %d packets", n, viewers*burst)
	}
	b.ReportAllocs()
	for b.Loop() {
		frame()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers*burst), "ns/packet")
}

// BenchmarkLimit does what no sender can go below: for each viewer of
// BenchmarkServe a header, AES-GCM and one system call for the burst, and
// nothing else. The ratio of the two is what egress costs.
func BenchmarkLimit(b *testing.B) {
	const viewers, burst, size = 100, 6, 1200
	p, to := benchPort(b)
	block, err := aes.NewCipher(make([]byte, 16))
	require.NoError(b, err)
	seal, err := cipher.NewGCM(block)
	require.NoError(b, err)
	payload, slab, nonce := make([]byte, size), make([]byte, slabSize), make([]byte, 12)
	var seq uint16
	for b.Loop() {
		for range viewers {
			end := 0
			for i := range burst {
				putHeader(slab[end:], i == burst-1, 96, seq+uint16(i), uint32(seq), 1)
				nonce[0], nonce[1] = byte(seq>>8), byte(seq)+byte(i)
				header := slab[end : end+headerSize]
				end += len(seal.Seal(slab[end+headerSize:end+headerSize], nonce, payload, header)) + headerSize
			}
			if err := p.SendSegments(slab[:end], headerSize+size+overhead, to); err != nil {
				b.Fatal(err)
			}
		}
		seq += burst
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*viewers*burst), "ns/packet")
}

// benchPort returns a port that runs and the address of a socket that nobody
// reads.
func benchPort(b *testing.B) (*port.Port, netip.AddrPort) {
	b.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = p.Run(ctx); close(ended) }()
	b.Cleanup(func() { cancel(); <-ended })
	drain, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(b, err)
	b.Cleanup(func() { _ = drain.Close() })
	return p, drain.LocalAddr().(*net.UDPAddr).AddrPort()
}

// benchShard returns a shard with viewers whose packets go to a socket that
// nobody reads, and the input of their stream's video.
func benchShard(b *testing.B, viewers int) (*shard, *hub.Input) {
	b.Helper()
	p, to := benchPort(b)
	e, err := New(Config{Port: p})
	require.NoError(b, err)
	h := hub.New(hub.Config{})
	pub, err := h.Publish(publishGrant, &source{asked: make(chan struct{}, 1)}, hub.Options{})
	require.NoError(b, err)
	in, err := pub.AddTrack(media.Video, vp8)
	require.NoError(b, err)
	in.WritePacket(hub.Incoming{Seq: 65_535, Marker: true, Arrival: time.Now(), Payload: []byte{0x10, 0, 0}})
	for range viewers {
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
	key, salt := make([]byte, 16), make([]byte, 12)
	_, _ = rand.Read(key)
	out, err := srtp.CreateContext(key, salt, srtp.ProtectionProfileAeadAes128Gcm)
	require.NoError(b, err)
	v.to.Store(&to)
	e.shards[0].add(v, out)
}
