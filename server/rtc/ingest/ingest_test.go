package ingest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

const patience = 10 * time.Second

// cable is a client's socket that can be cut or lose SRTP in both directions.
type cable struct {
	net.PacketConn
	cut  atomic.Bool
	loss atomic.Int32 // percent
}

func (c *cable) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.cut.Load() || c.loses(b) {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

func (c *cable) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !c.loses(b[:n]) {
			return n, from, err
		}
	}
}

func (c *cable) loses(b []byte) bool {
	return len(b) > 0 && b[0]>>6 == 2 && rand.Int32N(100) < c.loss.Load()
}

// studio is a client with one video, connected by a cable to an Ingest.
type studio struct {
	pc     *webrtc.PeerConnection
	track  *webrtc.TrackLocalStaticRTP
	cable  *cable
	hub    *hub.Hub
	pub    *Publisher
	answer string
	asked  atomic.Int32 // keyframe requests that came
}

func newStudio(t *testing.T, silence time.Duration) *studio {
	t.Helper()
	s := prepareStudio(t, silence, arrival)
	s.accept(t)
	return s
}

// accept takes the answer, so that the client connects.
func (s *studio) accept(t *testing.T) {
	t.Helper()
	require.NoError(t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.answer}))
}

// prepareStudio publishes and does not connect yet.
func prepareStudio(t *testing.T, silence, arrival time.Duration) *studio {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	in := New(p, nil)
	in.silence, in.arrival = silence, arrival
	s := &studio{hub: hub.New(hub.Config{})}
	s.dial(t)
	o, err := s.pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, s.pc.SetLocalDescription(o))
	parsed, err := offer.Parse(o.SDP, offer.ToPublish)
	require.NoError(t, err)
	s.pub, s.answer, err = in.Answer(ctx, parsed, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	pub, err := s.hub.Publish(auth.System(auth.Publish, "s"), s.pub, hub.Options{})
	require.NoError(t, err)
	s.pub.Start(pub)
	t.Cleanup(func() {
		s.pub.Close(hub.ErrEnded)
		<-s.pub.Done()
	})
	return s
}

func (s *studio) dial(t *testing.T) {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	s.cable = &cable{PacketConn: conn}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: s.cable})
	var settings webrtc.SettingEngine
	settings.SetICEUDPMux(mux)
	settings.SetIncludeLoopbackCandidate(true)
	m := &webrtc.MediaEngine{}
	require.NoError(t, m.RegisterDefaultCodecs())
	r := &interceptor.Registry{}
	require.NoError(t, webrtc.ConfigureNack(m, r)) // answers requests
	s.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(m),
		webrtc.WithInterceptorRegistry(r)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.pc.Close()
		_ = mux.Close()
		_ = conn.Close()
	})
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	require.NoError(t, err)
	tr, err := s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	go func() { // interceptors see only what is read
		for {
			packets, _, err := tr.Sender().ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					s.asked.Add(1)
				}
			}
		}
	}()
}

func (s *studio) ended(t *testing.T) error {
	t.Helper()
	select {
	case <-s.pub.Done():
		return s.pub.Reason()
	case <-time.After(patience):
		t.Fatal("the publication goes on")
		return nil
	}
}

func (s *studio) connected(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(s.hub.Info("s").Tracks) == 1 && s.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	}, patience, time.Millisecond)
}

// A client that vanishes without a word is noticed, and its viewers wait.
func TestVanishedPublisherIsLost(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 300*time.Millisecond)
	s.connected(t)
	s.cable.cut.Store(true)
	require.ErrorIs(t, s.ended(t), ErrLost)
	assert.Equal(t, hub.Away, s.hub.Info("s").State)
}

func TestGoodbyeIsHeard(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	require.NoError(t, s.pc.Close())
	require.ErrorIs(t, s.ended(t), ErrHungUp)
}

func TestStreamEndsWithItsPublisher(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	s.pub.Publication().Close(hub.ErrReplaced)
	require.ErrorIs(t, s.ended(t), hub.ErrReplaced, "the hub closes its source")
}

func TestPublisherThatNeverConnectsIsFreed(t *testing.T) {
	t.Parallel()
	s := prepareStudio(t, time.Hour, 50*time.Millisecond)
	require.ErrorIs(t, s.ended(t), ErrUnconnected)
}

// The publication takes a keyframe request from the hub to the client at once,
// and the next only after its time.
func TestKeyframeRequests(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	require.Eventually(t, func() bool {
		_ = s.track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: []byte{0x10, 0, 0, 0}})
		s.pub.RequestKeyframe(nil, 0)
		return s.asked.Load() >= 2
	}, patience, 10*time.Millisecond)
}

// With 10 % loss both ways every packet arrives, sent again as RTX.
func TestLostPacketsComeBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	sub, err := s.hub.Watch(t.Context(), auth.System(auth.Watch, "s"))
	require.NoError(t, err)
	defer sub.Close(hub.ErrEnded)
	ring := sub.Stream().Tracks()[0].Ring()
	seq := uint16(0)
	send := func() {
		seq++
		_ = s.track.WriteRTP(&rtp.Packet{
			Header:  rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq) * 3000, Marker: true},
			Payload: []byte{0x10, 1, 0, 0}, // no keyframe, before which the ring would let go of all
		})
	}
	first := ring.Head()
	require.Eventually(t, func() bool {
		send()
		return ring.Head() > first
	}, patience, time.Millisecond)
	first = ring.Head()
	s.cable.loss.Store(10)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for range 500 {
		<-tick.C
		send()
	}
	require.Eventually(t, func() bool {
		<-tick.C
		send() // so that the last can be missed
		for n := first; n < first+500; n++ {
			if ring.Get(n) == nil {
				return false
			}
		}
		return ring.Head() > first+500
	}, patience, 10*time.Millisecond)
}

// Nothing is lost for good between two processes of one machine, and what a
// publisher says of its clock reaches the hub.
func TestPacketsReachTheHub(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	sub, err := s.hub.Watch(t.Context(), auth.System(auth.Watch, "s"))
	require.NoError(t, err)
	defer sub.Close(hub.ErrEnded)
	ring := sub.Stream().Tracks()[0].Ring()
	first := ring.Head()
	seq := uint16(65500)
	require.Eventually(t, func() bool {
		seq++
		p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: uint32(seq), Marker: true}, Payload: []byte{0x10, 1, 0, 0}}
		if seq%10 == 0 {
			p.Padding, p.PaddingSize, p.Payload = true, 9, nil // leaves no gap
		}
		_ = s.track.WriteRTP(p)
		return ring.Head() >= first+100
	}, patience, time.Millisecond)
	for n := ring.Head() - 90; n < ring.Head(); n++ {
		p := ring.Get(n)
		require.NotNil(t, p, "no gap")
		assert.Equal(t, []byte{0x10, 1, 0, 0}, p.Payload)
	}
}
