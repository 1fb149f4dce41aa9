package egress

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/rtcp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

// player seals what a viewer sends.
type player struct {
	t    *testing.T
	srtp *srtp.Context
	ssrc uint32
}

func newPlayer(t *testing.T) *player {
	return &player{t: t, srtp: newKeys().context(t), ssrc: 7}
}

func (p *player) seal(packets ...rtcp.Packet) []byte {
	p.t.Helper()
	plain, err := rtcp.Marshal(append([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: p.ssrc}}, packets...))
	require.NoError(p.t, err)
	return p.sealPlain(plain)
}

func (p *player) sealPlain(plain []byte) []byte {
	p.t.Helper()
	sealed, err := p.srtp.EncryptRTCP(nil, plain, nil)
	require.NoError(p.t, err)
	return sealed
}

func pli() rtcp.Packet { return &rtcp.PictureLossIndication{MediaSSRC: 1} }

// frame writes one packet.
func (b *bench) frame(payload []byte) {
	b.video.WritePacket(hub.Incoming{Seq: b.seq, Timestamp: uint32(b.seq) * 3000, Marker: true, Arrival: time.Now(), Payload: payload})
	b.seq++
}

// deliver serves until a viewer was sent what there is: trains are spaced.
func (b *bench) deliver(r *receiver) {
	for l := r.lane(media.Video); l.next < l.track.Ring().Head(); {
		b.serve()
	}
}

// malformed returns the seeds of the reader's fuzz test.
func malformed(t *testing.T) (list [][]byte) {
	t.Helper()
	files, err := filepath.Glob("../feedback/testdata/fuzz/*/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		_, quoted, _ := strings.Cut(string(text), "[]byte(")
		seed, err := strconv.Unquote(strings.TrimSuffix(strings.TrimSpace(quoted), ")"))
		require.NoError(t, err, file)
		list = append(list, []byte(seed))
	}
	return list
}

// waitFor gives a viewer that is being closed on another goroutine its time.
func waitFor(t *testing.T, v *Viewer) {
	t.Helper()
	select {
	case <-v.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the viewer stayed")
	}
}

// What is above the bound costs no decryption, and still is known to have been
// sent.
func TestFeedbackIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	now := time.Now()
	for range 1000 {
		r.feedbackAt(p.seal(), now)
	}
	count := r.engine.count
	require.EqualValues(t, 800, count.dropped[dropFlood].Load())
	require.EqualValues(t, 200, r.in.senders[p.ssrc])
	_, sent, err := r.in.open(p.seal(), now.Add(10*time.Millisecond))
	require.NoError(t, err)
	require.Equal(t, 801, sent, "what was dropped is known to have come")
	require.Zero(t, count.badRTCP.Value())
}

// Whoever forges a viewer's address neither keeps the viewer from being heard
// nor has it thrown out.
func TestForgersHarmNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 1)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	b.serve()
	now := time.Now()
	r.feedbackAt(p.seal(), now)
	forged := bytes.Repeat([]byte{0x80, 201}, 30)
	for second := range 30 {
		for i := range uint32(3000) {
			binary.BigEndian.PutUint32(forged[4:], i+1000)
			r.feedbackAt(forged, now)
		}
		now = now.Add(time.Second)
		r.feedbackAt(p.seal(), now)
		require.EqualValues(t, 2+second, r.in.senders[p.ssrc], "the viewer's own was read")
	}
	require.NoError(t, r.Reason())
	require.Less(t, r.engine.count.badRTCP.Value(), uint64(31*400))
	require.NotZero(t, r.engine.count.dropped[dropForged].Load())
	require.Len(t, r.in.senders, 1)
}

// Even with the right SSRC, which only somebody on the path knows, the viewer
// stays.
func TestForgersOnThePathThrowNobodyOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	now := time.Now()
	sealed := p.seal()
	r.feedbackAt(bytes.Clone(sealed), now)
	sealed[len(sealed)-1] += 100 // another index
	for range 20 {
		for range 3000 {
			r.feedbackAt(bytes.Clone(sealed), now)
		}
		now = now.Add(time.Second)
	}
	require.NoError(t, r.Reason())
	require.Less(t, r.engine.count.badRTCP.Value(), uint64(21*400))
}

func TestASVS_17_2_3_UnauthenticatedRTCPIsIgnored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 3)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	b.serve()
	r.hear(3)
	nack := &rtcp.TransportLayerNack{MediaSSRC: r.lane(media.Video).ssrc, Nacks: []rtcp.NackPair{{PacketID: binary.BigEndian.Uint16(r.last[2:])}}}
	plain, err := rtcp.Marshal([]rtcp.Packet{nack, pli()})
	require.NoError(t, err)
	sealed := p.sealPlain(plain)
	for name, forged := range map[string][]byte{
		"plain":        bytes.Clone(plain),
		"cut":          bytes.Clone(sealed[:len(sealed)-1]),
		"another byte": append(append(bytes.Clone(sealed[:12]), sealed[12]^1), sealed[13:]...),
		"another tag":  append(append(bytes.Clone(sealed[:len(sealed)-6]), sealed[len(sealed)-6]^1), sealed[len(sealed)-5:]...),
		"not sealed":   append(bytes.Clone(plain), sealed[len(sealed)-20:]...),
		"header only":  bytes.Clone(sealed[:8]),
	} {
		before := r.engine.count.badRTCP.Value()
		r.feedback(forged)
		require.Equal(t, before+1, r.engine.count.badRTCP.Value(), name)
	}
	require.Empty(t, b.shard.mail)
	require.Empty(t, r.in.senders)
	require.Zero(t, r.lastTime.Load(), "who forges keeps nobody alive")
	r.feedback(bytes.Clone(sealed)) // the same, authentic
	b.serve()
	r.hear(1)
}

func TestASVS_17_2_3_ReplayedRTCPIsIgnored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 3)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	b.serve()
	r.hear(3)
	in, err := srtp.CreateContext(newKeys().key, newKeys().salt, srtp.ProtectionProfileAeadAes128Gcm, srtp.SRTCPReplayProtection(64))
	require.NoError(t, err)
	r.in.use(in)
	sealed := p.seal(&rtcp.TransportLayerNack{MediaSSRC: r.lane(media.Video).ssrc, Nacks: []rtcp.NackPair{{PacketID: binary.BigEndian.Uint16(r.last[2:])}}})
	for range 10 {
		r.feedback(bytes.Clone(sealed))
		b.serve()
	}
	r.hear(1)
	r.silent()
	require.EqualValues(t, 9, r.engine.count.badRTCP.Value())
}

func TestASVS_17_2_4_MalformedRTCPStopsNoMedia(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 1)
	r, other, p := b.watch(chromiumOffer), b.watch(chromiumOffer), newPlayer(t)
	b.serve()
	r.hear(1)
	other.hear(1)
	now := time.Now()
	for _, seed := range malformed(t) {
		if len(seed) < 8 {
			continue
		}
		binary.BigEndian.PutUint32(seed[4:], 7)
		r.feedbackAt(p.sealPlain(seed), now)
		now = now.Add(time.Second)
		b.packets(false, 1)
		b.deliver(r)
		b.deliver(other)
		r.hear(1)
		other.hear(1)
	}
	require.NotZero(t, r.engine.count.badRTCP.Value())
	require.Zero(t, r.engine.count.faults.Value())
	require.NoError(t, r.Reason())
}

// A viewer that floods is closed in the end, its neighbours get every packet
// and the publisher is asked for few keyframes.
func TestASVS_17_2_5_FloodOfFeedback(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 1)
	source := b.source
	hostile, other, p := b.watch(chromiumOffer), b.watch(chromiumOffer), newPlayer(t)
	b.serve()
	hostile.hear(1)
	other.hear(1)
	now := time.Now()
	for range 12 * 10 { // 12 s, 100 ms each
		for range 300 {
			hostile.feedbackAt(p.seal(pli()), now)
		}
		now = now.Add(100 * time.Millisecond)
		b.shard.mu.Lock()
		require.LessOrEqual(t, len(b.shard.mail), 2)
		b.shard.mu.Unlock()
		b.packets(false, 1)
		b.serve()
		b.deliver(other)
		other.hear(1)
	}
	waitFor(t, hostile.Viewer)
	require.ErrorIs(t, hostile.Reason(), ErrAbusive)
	require.NoError(t, other.Reason())
	require.NotZero(t, hostile.engine.count.dropped[dropFlood].Load())
	require.NotZero(t, hostile.engine.count.dropped[dropKeyframes].Load())
	source.mu.Lock()
	defer source.mu.Unlock()
	require.LessOrEqual(t, source.keyframes, 3+6)
}

// A thousand requests for a keyframe a second, in as few packets as they fit
// in, reach the track once every 2 s.
func TestKeyframeRequestsOfOneViewer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	r, p := b.watch(chromiumOffer), newPlayer(t)
	now := time.Now()
	var packets []rtcp.Packet
	for range 100 {
		packets = append(packets, pli())
	}
	wanted := 0
	for range 9 * 10 {
		r.feedbackAt(p.seal(packets...), now)
		now = now.Add(100 * time.Millisecond)
		if _, keyframe := r.wishes.take(); keyframe {
			wanted++
		}
	}
	require.LessOrEqual(t, wanted, 3+5)
	require.EqualValues(t, 9*10*100, r.engine.count.keyframes.Value())
	require.NoError(t, r.Reason())
}

// However much a viewer asks for again, it gets 15 % of what it was sent, and
// the first 64 KiB.
func TestFloodOfNACKs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	payload := make([]byte, 1000)
	payload[0] = 0x10
	b.frame(payload)
	payload[1] = 1
	r, p := b.watch(chromiumOffer), newPlayer(t)
	l := r.lane(media.Video)
	now := time.Now()
	for range 400 {
		b.frame(payload)
		b.serve()
		b.deliver(r)
		nack := &rtcp.TransportLayerNack{MediaSSRC: l.ssrc}
		newest, _ := l.numbers.Out(l.next - 1)
		for back := range uint16(30) {
			nack.Nacks = append(nack.Nacks, rtcp.NackPair{PacketID: uint16(newest) - back})
		}
		r.feedbackAt(p.seal(nack), now)
		now = now.Add(10 * time.Millisecond)
		b.serve()
	}
	again := r.engine.count.resent.Value()
	require.Greater(t, again, uint64(60))
	require.Less(t, again*1000, uint64(400*1000*rtxShare+rtxFloor+1000))
	require.NoError(t, r.Reason())
}
