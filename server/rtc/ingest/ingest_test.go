package ingest

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

const patience = 10 * time.Second

// cable is a client's socket that can be cut.
type cable struct {
	net.PacketConn
	cut atomic.Bool
}

func (c *cable) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// studio is a client with one video, connected by a cable to an Ingest.
type studio struct {
	pc    *webrtc.PeerConnection
	track *webrtc.TrackLocalStaticRTP
	cable *cable
	hub   *hub.Hub
	pub   *Publisher
}

func newStudio(t *testing.T, silence time.Duration) *studio {
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
	in.silence = silence
	s := &studio{hub: hub.New(hub.Config{})}
	s.dial(t)
	o, err := s.pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, s.pc.SetLocalDescription(o))
	parsed, err := offer.Parse(o.SDP, offer.ToPublish)
	require.NoError(t, err)
	var answer string
	s.pub, answer, err = in.Answer(ctx, parsed, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	pub, err := s.hub.Publish(auth.System(auth.Publish, "s"), s.pub, hub.Options{})
	require.NoError(t, err)
	s.pub.Start(pub)
	t.Cleanup(func() {
		s.pub.Close(hub.ErrEnded)
		<-s.pub.Done()
	})
	require.NoError(t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
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
	s.pc, err = webrtc.NewAPI(webrtc.WithSettingEngine(settings), webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = s.pc.Close()
		_ = mux.Close()
		_ = conn.Close()
	})
	s.track, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "v", "s")
	require.NoError(t, err)
	_, err = s.pc.AddTransceiverFromTrack(s.track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
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
	require.ErrorIs(t, s.ended(t), ErrLost)
}

func TestStreamEndsWithItsPublisher(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	s.pub.Publication().Close(hub.ErrReplaced)
	require.ErrorIs(t, s.ended(t), hub.ErrReplaced, "the hub closes its source")
}
