package egress

import (
	"context"
	"encoding/binary"
	"errors"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/handshake"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

var (
	publishGrant = auth.System(auth.Publish, "harbour")
	watchGrant   = auth.System(auth.Watch, "harbour")

	vp8  = media.Codec{Name: media.VP8, ClockRate: 90_000}
	opus = media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is an engine on a real port with one stream that the test feeds.
type stage struct {
	t      testing.TB
	hub    *hub.Hub
	engine *Engine
	pub    *hub.Publication
	video  *hub.Input
	audio  *hub.Input
	source *source
	seq    uint16
	munge  func(offer string) string // changes what a client offers
}

type source struct {
	mu        sync.Mutex
	keyframes int
	asked     chan struct{}
}

func (s *source) RequestKeyframe(*hub.Track, int) {
	s.mu.Lock()
	s.keyframes++
	s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default:
	}
}
func (s *source) Close(error) {}

func newStage(t testing.TB, change ...func(*Engine)) *stage {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	e, err := New(Config{Port: p})
	require.NoError(t, err)
	for _, f := range change {
		f(e)
	}
	h := hub.New(hub.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{p.Run, e.Run, h.Run} {
		running.Go(func() { _ = run(ctx) })
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	s := &stage{t: t, hub: h, engine: e, source: &source{asked: make(chan struct{}, 1)}}
	s.pub, err = h.Publish(publishGrant, s.source, hub.Options{})
	require.NoError(t, err)
	s.video, err = s.pub.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	s.audio, err = s.pub.AddTrack(media.Audio, opus)
	require.NoError(t, err)
	return s
}

// frame writes one video frame of n packets, numbered in their payloads.
func (s *stage) frame(key bool, n int) {
	for i := range n {
		descriptor := []byte{0x10, 0x01}
		if i > 0 {
			descriptor[0] = 0
		} else if key {
			descriptor[1] = 0
		}
		payload := make([]byte, 1000)
		copy(payload, descriptor)
		binary.BigEndian.PutUint16(payload[8:], s.seq)
		s.video.WritePacket(hub.Incoming{
			Seq: s.seq, Timestamp: uint32(s.seq) * 3000, Marker: i == n-1, Arrival: time.Now(), Payload: payload,
		})
		s.seq++
	}
}

// client is a pion peer connection that watches.
type client struct {
	pc      *webrtc.PeerConnection
	viewer  *Viewer
	packets chan *rtp.Packet // video
	audio   chan *rtp.Packet
	got     chan *webrtc.TrackRemote
}

func (s *stage) watch(o ...func(*webrtc.MediaEngine)) (*client, error) {
	t := s.t
	t.Helper()
	m := &webrtc.MediaEngine{}
	if len(o) == 0 {
		require.NoError(t, m.RegisterDefaultCodecs())
	}
	for _, f := range o {
		f(m)
	}
	settings := webrtc.SettingEngine{}
	settings.SetIncludeLoopbackCandidate(true)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(settings))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.GracefulClose() })
	c := &client{pc: pc, packets: make(chan *rtp.Packet, 4096), audio: make(chan *rtp.Packet, 4096), got: make(chan *webrtc.TrackRemote, 2)}
	for _, k := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		_, err := pc.AddTransceiverFromKind(k, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		require.NoError(t, err)
	}
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		into := c.audio
		if r.Kind() == webrtc.RTPCodecTypeVideo {
			into = c.packets
			c.got <- r
		}
		for {
			p, _, err := r.ReadRTP()
			if err != nil {
				return
			}
			into <- p
		}
	})
	offer, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	done := webrtc.GatheringCompletePromise(pc)
	require.NoError(t, pc.SetLocalDescription(offer))
	<-done
	sub, err := s.hub.Watch(context.Background(), watchGrant)
	require.NoError(t, err)
	text := pc.LocalDescription().SDP
	if s.munge != nil {
		text = s.munge(text)
	}
	v, answer, err := s.engine.Watch(sub, offered(t, text))
	if err != nil {
		return nil, err
	}
	c.viewer = v
	require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}), answer)
	return c, nil
}

func (c *client) next(t *testing.T) *rtp.Packet {
	t.Helper()
	select {
	case p := <-c.packets:
		return p
	case <-time.After(10 * time.Second):
		t.Fatal("no packet came")
		return nil
	}
}

// mark is the number that frame wrote into a packet.
func mark(p *rtp.Packet) uint16 { return binary.BigEndian.Uint16(p.Payload[8:]) }

func TestViewerStartsAtTheLastKeyframe(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 3)  // 0-2
	s.frame(false, 3) // 3-5
	s.frame(true, 40) // 6-45
	s.frame(false, 100)
	c, err := s.watch()
	require.NoError(t, err)
	first := c.next(t)
	require.EqualValues(t, 6, mark(first))
	last := first
	for i := range 139 {
		p := c.next(t)
		require.EqualValues(t, 7+i, mark(p))
		require.Equal(t, last.SequenceNumber+1, p.SequenceNumber)
		require.Less(t, p.Timestamp-last.Timestamp, uint32(3000), "history is squeezed")
		last = p
	}
	for range 30 { // of the stream's clock, more than catching up took
		s.frame(false, 1)
		p := c.next(t)
		require.Equal(t, last.SequenceNumber+1, p.SequenceNumber)
		if p.Timestamp-last.Timestamp == 3000 {
			return
		}
		last = p
	}
	t.Fatal("live does not go on at its own pace")
}

func TestViewerAsksForAKeyframe(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(false, 2)
	c, err := s.watch()
	require.NoError(t, err)
	select {
	case <-s.source.asked:
	case <-time.After(10 * time.Second):
		t.Fatal("the source was not asked")
	}
	s.frame(false, 1)
	s.frame(true, 1)
	require.EqualValues(t, 3, mark(c.next(t)), "nothing that cannot be decoded is sent")
}

func TestLostPacketComesAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 5)
	c, err := s.watch()
	require.NoError(t, err)
	var sent []*rtp.Packet
	for range 5 {
		sent = append(sent, c.next(t))
	}
	track := <-c.got
	require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: uint32(track.SSRC()), Nacks: rtcp.NackPairsFromSequenceNumbers([]uint16{sent[2].SequenceNumber}),
	}}))
	require.Eventually(t, func() bool { return s.engine.count.resent.Value() == 1 }, 10*time.Second, time.Millisecond)
	for range 100 {
		s.frame(false, 1) // the client's library hands out repeated packets with a later one
		if p := c.next(t); mark(p) == mark(sent[2]) {
			require.Equal(t, sent[2].SequenceNumber, p.SequenceNumber)
			require.Equal(t, sent[2].Payload, p.Payload)
			return
		}
	}
	t.Fatal("the lost packet did not come again")
}

func TestPacketLostUpstreamComesLate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	c, err := s.watch()
	require.NoError(t, err)
	first := c.next(t)
	s.seq = 2
	s.frame(false, 1)
	require.EqualValues(t, 2, mark(c.next(t)))
	s.seq = 1
	s.frame(false, 1)
	p := c.next(t)
	require.EqualValues(t, 1, mark(p))
	require.Equal(t, first.SequenceNumber+1, p.SequenceNumber)
}

func TestPublisherReturns(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 2)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	before := c.next(t)
	s.pub.Close(errors.New("lost"))
	s.pub, err = s.hub.Publish(publishGrant, s.source, hub.Options{})
	require.NoError(t, err)
	s.video, err = s.pub.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	s.seq = 40_000
	s.frame(true, 1)
	p := c.next(t)
	require.Equal(t, before.SequenceNumber+1, p.SequenceNumber)
	require.Equal(t, before.SSRC, p.SSRC)
	require.NoError(t, c.viewer.Reason())
}

func TestCodecThatTheViewerLacks(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	h264Only := func(m *webrtc.MediaEngine) {
		require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 96, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: 90_000, SDPFmtpLine: "packetization-mode=1;profile-level-id=42e01f",
		}}, webrtc.RTPCodecTypeVideo))
		require.NoError(t, m.RegisterCodec(webrtc.RTPCodecParameters{PayloadType: 111, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2,
		}}, webrtc.RTPCodecTypeAudio))
	}
	_, err := s.watch(h264Only)
	var unsupported *UnsupportedError
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, media.VP8, unsupported.Codec)
	require.Equal(t, 0, s.hub.Info("harbour").Viewers, "the subscription is given back")
}

func TestCloseSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	closed := make(chan struct{})
	c.pc.OnConnectionStateChange(func(p webrtc.PeerConnectionState) {
		if p == webrtc.PeerConnectionStateClosed {
			close(closed)
		}
	})
	c.viewer.Close(hub.ErrEnded)
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("no close_notify came")
	}
	require.ErrorIs(t, c.viewer.Reason(), hub.ErrEnded)
	require.Equal(t, 0, s.hub.Info("harbour").Viewers)
}

func TestViewerHangsUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	require.NoError(t, c.pc.Close())
	select {
	case <-c.viewer.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the viewer stayed")
	}
	require.ErrorIs(t, c.viewer.Reason(), handshake.ErrHungUp)
}

func TestForeignCertificateIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.munge = func(offer string) string {
		return regexp.MustCompile(`sha-256 ..:..`).ReplaceAllString(offer, "sha-256 12:34")
	}
	c, err := s.watch()
	require.NoError(t, err)
	select {
	case <-c.viewer.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("the viewer stayed")
	}
	require.ErrorIs(t, c.viewer.Reason(), handshake.ErrFingerprint)
}

func TestStreamEndsItsViewers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	s.pub.Close(hub.ErrEnded)
	<-c.viewer.Done()
	require.ErrorIs(t, c.viewer.Reason(), hub.ErrEnded)
}
