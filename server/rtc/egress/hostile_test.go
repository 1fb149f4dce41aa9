package egress

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

// bench is a shard that runs only when the test says so, with one stream.
type bench struct {
	t     *testing.T
	hub   *hub.Hub
	shard *shard
	pub   *hub.Publication
	video *hub.Input
	seq   uint16

	source *source
}

func newBench(t *testing.T) *bench {
	t.Helper()
	e, err := New(Config{Port: runPort(t)})
	require.NoError(t, err)
	e.shards = e.shards[:1]
	b := &bench{t: t, hub: hub.New(hub.Config{}), shard: e.shards[0]}
	b.publish(vp8)
	return b
}

// runPort opens a port on the loopback that runs until the test ends.
func runPort(t testing.TB) *port.Port {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return p
}

// publish replaces the publication by one of another codec.
func (b *bench) publish(c media.Codec) {
	b.t.Helper()
	var err error
	b.source = &source{asked: make(chan struct{}, 1)}
	b.pub, err = b.hub.Publish(publishGrant, b.source, hub.Options{})
	require.NoError(b.t, err)
	b.video, err = b.pub.AddTrack(media.Video, c)
	require.NoError(b.t, err)
}

// packets writes n packets of VP8, each a frame, the first a keyframe or not.
func (b *bench) packets(key bool, n int) {
	for i := range n {
		payload := []byte{0x10, 1, byte(b.seq >> 8), byte(b.seq)}
		if key && i == 0 {
			payload[1] = 0
		}
		b.video.WritePacket(hub.Incoming{
			Seq: b.seq, Timestamp: uint32(b.seq) * 3000, Marker: true, Arrival: time.Now(), Payload: payload,
		})
		b.seq++
	}
}

// serve does what the shard's goroutine does once.
func (b *bench) serve() {
	b.shard.read()
	for _, g := range b.shard.groups {
		g.ready.Store(true)
		b.shard.serve(g)
	}
}

// keys is one direction of a viewer's SRTP.
type keys struct{ key, salt []byte }

func newKeys() keys {
	return keys{bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{9}, 12)}
}

func (k keys) context(t *testing.T) *srtp.Context {
	t.Helper()
	c, err := srtp.CreateContext(k.key, k.salt, srtp.ProtectionProfileAeadAes128Gcm)
	require.NoError(t, err)
	return c
}

func (k keys) sealer(t *testing.T) *seal.Sealer {
	t.Helper()
	s, err := seal.New(srtp.ProtectionProfileAeadAes128Gcm, k.key, k.salt)
	require.NoError(t, err)
	return s
}

// receiver is a viewer that is connected, and the socket that it hears on.
type receiver struct {
	*Viewer
	t      *testing.T
	socket net.PacketConn
	srtp   *srtp.Context
	sent   map[[2]uint32][]byte // SSRC and number → what was sealed under them
	last   []byte               // of these
	heard  uint64
}

func (b *bench) watch(offer string) *receiver {
	t := b.t
	t.Helper()
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	require.NoError(t, socket.(*net.UDPConn).SetReadBuffer(1<<20))
	sub, err := b.hub.Watch(context.Background(), watchGrant)
	require.NoError(t, err)
	v, _, err := b.shard.engine.Watch(sub, offered(t, offer))
	require.NoError(t, err)
	to := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	v.to.Store(&to)
	v.in.use(newKeys().context(t))
	b.shard.add(v, newKeys().sealer(t))
	return &receiver{Viewer: v, t: t, socket: socket, srtp: newKeys().context(t), sent: map[[2]uint32][]byte{}}
}

// hear takes n packets and fails when one SRTP index has sealed two.
func (r *receiver) hear(n int) {
	r.t.Helper()
	sealed := make([]byte, 2048)
	for range n {
		require.NoError(r.t, r.socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		size, _, err := r.socket.ReadFrom(sealed)
		require.NoError(r.t, err)
		plain, err := r.srtp.DecryptRTP(nil, sealed[:size], nil)
		require.NoError(r.t, err)
		index := [2]uint32{binary.BigEndian.Uint32(plain[8:]), uint32(binary.BigEndian.Uint16(plain[2:]))}
		if before, ok := r.sent[index]; ok {
			require.Equal(r.t, before, plain, "one SRTP index, two packets")
		}
		r.sent[index], r.last = plain, plain
	}
}

// silent fails when something more was sent.
func (r *receiver) silent() {
	r.t.Helper()
	require.NoError(r.t, r.socket.SetReadDeadline(time.Now().Add(time.Millisecond)))
	_, _, err := r.socket.ReadFrom(make([]byte, 2048))
	require.Error(r.t, err)
}

// nackAll asks for what was heard, or some of it.
func (r *receiver) nackAll() {
	var pairs []byte
	for index := range r.sent {
		if len(pairs) < 400 { // more would overrun the socket
			pairs = binary.BigEndian.AppendUint32(pairs, index[1]<<16)
		}
	}
	r.wishes.packets(r.lane(media.Video).ssrc, pairs)
	r.shard.post(r.Viewer, (*shard).grant)
}

// withoutRTX is an offer of a client that wants repeated packets as they were.
func withoutRTX() string {
	var kept strings.Builder
	for line := range strings.Lines(chromiumOffer) {
		if !strings.Contains(line, "rtx/") && !strings.Contains(line, "apt=") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestRepeatedPacketIsTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 4)
	r := b.watch(withoutRTX())
	b.packets(false, 3)
	b.serve()
	r.hear(7)
	r.nackAll()
	b.serve()
	r.hear(7)
}

func TestNothingOlderThanTheKeyframeIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 4)
	r := b.watch(withoutRTX())
	b.serve()
	r.hear(4)
	r.lane(media.Video).fellBehind(time.Now())
	b.packets(false, 3)
	b.packets(true, 5)
	b.serve()
	r.hear(5) // squeezed anew: the first four would have other timestamps now
	r.nackAll()
	b.serve()
	r.hear(5)
	r.silent()
}

func TestNothingOfTheCodecBeforeIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 4)
	r := b.watch(withoutRTX())
	b.serve()
	r.hear(4)
	b.publish(media.Codec{Name: media.VP9, ClockRate: 90_000})
	r.nackAll() // in the moment between the codecs
	b.serve()
	b.video.WritePacket(hub.Incoming{Seq: 1, Marker: true, Arrival: time.Now(), Payload: []byte{0x08, 0}})
	before := binary.BigEndian.Uint16(r.last[2:])
	b.serve()
	r.hear(1)
	require.EqualValues(t, 98, r.last[1]&0x7f, "the payload type of VP9")
	require.Equal(t, before+1, binary.BigEndian.Uint16(r.last[2:]))
	r.nackAll()
	b.serve()
	r.hear(1)
	r.silent()
}

func TestCodecChangesToOneThatTheViewerLacks(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 1)
	lacks, other := b.watch(withoutRTX()), b.watch(strings.Replace(chromiumOffer, "125 red", "125 H265", 1))
	b.serve()
	b.publish(media.Codec{Name: media.H265, ClockRate: 90_000})
	b.serve()
	<-lacks.Done()
	var unsupported *UnsupportedError
	require.ErrorAs(t, lacks.Reason(), &unsupported)
	require.Equal(t, media.H265, unsupported.Codec)
	require.NoError(t, other.Reason())
}

func TestFloodOfFeedbackIsOneLetter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 1)
	r := b.watch(chromiumOffer)
	b.serve()
	client := newKeys().context(t)
	var packets []rtcp.Packet
	for i := range 100 {
		packets = append(packets, &rtcp.PictureLossIndication{MediaSSRC: 1},
			&rtcp.TransportLayerNack{MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: uint16(i), LostPackets: math.MaxUint16}}})
	}
	plain, err := rtcp.Marshal(packets)
	require.NoError(t, err)
	for range 50 {
		sealed, err := client.EncryptRTCP(nil, plain, nil)
		require.NoError(t, err)
		r.feedback(sealed)
	}
	require.Zero(t, r.engine.count.badRTCP.Value())
	require.Len(t, b.shard.mail, 1)
	require.Len(t, r.wishes.lost, maxLost)
	b.serve()
	require.Empty(t, r.wishes.lost)
}

// A client can prove an address of its own and one at the TURN server: two
// goroutines then open its SRTCP.
func TestFeedbackOverTwoPaths(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.watch(chromiumOffer)
	client := newKeys().context(t)
	var paths sync.WaitGroup
	for range 2 {
		var sealed [][]byte
		for range 200 {
			plain, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1}})
			require.NoError(t, err)
			one, err := client.EncryptRTCP(nil, plain, nil)
			require.NoError(t, err)
			sealed = append(sealed, one)
		}
		paths.Go(func() {
			for _, one := range sealed {
				r.feedback(one)
			}
		})
	}
	paths.Wait()
}

func TestFewSendersOfFeedback(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r := b.watch(chromiumOffer)
	client := newKeys().context(t)
	forged := bytes.Repeat([]byte{0x80, 201}, 30)
	for i := range uint32(100) {
		binary.BigEndian.PutUint32(forged[4:], i)
		r.feedback(bytes.Clone(forged))
	}
	for i := range uint32(1000) {
		plain, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 1 + i}})
		require.NoError(t, err)
		sealed, err := client.EncryptRTCP(nil, plain, nil)
		require.NoError(t, err)
		r.feedback(sealed)
	}
	require.Len(t, r.in.senders, maxSenders)
	require.Contains(t, r.in.senders, uint32(1), "what is forged takes no place")
}

func TestFaultCostsOneViewer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 3)
	broken, sound := b.watch(chromiumOffer), b.watch(chromiumOffer)
	broken.out = &seal.Sealer{} // panics when used
	b.packets(false, 1)
	b.serve()
	sound.hear(4)
	<-broken.Done()
	require.ErrorIs(t, broken.Reason(), ErrFault)
	b.packets(false, 1)
	b.serve()
	sound.hear(1)
	require.NoError(t, sound.Reason())
	require.Len(t, b.shard.groups[sound.sub.Stream()].viewers, 1)
}

func TestViewerTooSlowAsksLessAndLess(t *testing.T) {
	t.Parallel()
	var a asking
	now := time.Unix(1000, 0)
	asked := 0
	for range 600 { // a minute in which no keyframe helps for long
		if a.due(now) {
			asked++
			a.fellBehind(now)
		}
		now = now.Add(100 * time.Millisecond)
	}
	require.Less(t, asked, 15)
	now = now.Add(askCalm)
	a.fellBehind(now)
	require.True(t, a.due(now))
	require.True(t, a.due(now.Add(askEvery)))
}
