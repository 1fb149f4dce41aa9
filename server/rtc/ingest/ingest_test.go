package ingest

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
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
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
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
	repair repair
	hub    *hub.Hub
	pub    *Publisher
	answer string
	asked  atomic.Int32 // keyframe requests that came
	seq    uint16       // of the last packet that sends sent
}

func newStudio(t *testing.T, silence time.Duration) *studio {
	t.Helper()
	s := prepareStudio(t, silence, patience, strings.Clone)
	s.accept(t)
	return s
}

// accept takes the answer, so that the client connects.
func (s *studio) accept(t *testing.T) {
	t.Helper()
	require.NoError(t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: s.answer}))
}

// prepareStudio publishes by what edit makes of the offer, and does not connect yet.
func prepareStudio(t *testing.T, silence, arrival time.Duration, edit func(sdp string) string) *studio {
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
	in.waits = waits{arrival: arrival, silence: silence, consent: 2 * silence, patience: 8 * silence}
	s := &studio{hub: hub.New(hub.Config{}), repair: repair{bound: make(chan struct{})}}
	s.dial(t)
	o, err := s.pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, s.pc.SetLocalDescription(o))
	parsed, err := offer.Parse(edit(o.SDP), offer.ToPublish)
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
	require.NoError(t, webrtc.ConfigureTWCCHeaderExtensionSender(m, r))
	r.Add(&s.repair)
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

func (s *studio) state(t *testing.T, want hub.State) {
	t.Helper()
	require.Eventually(t, func() bool { return s.hub.Info("s").State == want }, patience, time.Millisecond, want)
}

// sends returns when a packet that the client sends now has come.
func (s *studio) sends(t *testing.T) {
	t.Helper()
	ring := s.pub.Publication().Stream().Tracks()[0].Ring()
	first := ring.Head()
	require.Eventually(t, func() bool {
		s.seq++
		_ = s.track.WriteRTP(&rtp.Packet{
			Header: rtp.Header{Version: 2, SequenceNumber: s.seq, Timestamp: uint32(s.seq) * 3000, Marker: true}, Payload: []byte{0x10, 0, 0, 0},
		})
		return ring.Head() > first
	}, patience, time.Millisecond)
}

// restart makes the client restart ICE and returns its offer.
func (s *studio) restart(t *testing.T) *offer.Offer {
	t.Helper()
	o, err := s.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: true})
	require.NoError(t, err)
	require.NoError(t, s.pc.SetLocalDescription(o))
	parsed, err := offer.Parse(o.SDP, offer.ToPublish)
	require.NoError(t, err)
	return parsed
}

func (s *studio) connected(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		return len(s.hub.Info("s").Tracks) == 1 && s.pc.ConnectionState() == webrtc.PeerConnectionStateConnected
	}, patience, time.Millisecond)
}

// A client that vanishes without a word is noticed, its viewers wait, nothing
// is sent to it after a time and in the end it is lost.
func TestVanishedPublisherIsLost(t *testing.T) {
	t.Parallel()
	s := newStudio(t, 300*time.Millisecond)
	s.connected(t)
	s.cable.cut.Store(true)
	s.state(t, hub.Away)
	assert.NoError(t, s.pub.Reason(), "it may come back")
	require.Eventually(t, func() bool { return s.pub.mux.to.Load() == nil }, patience, time.Millisecond)
	require.ErrorIs(t, s.ended(t), ErrLost)
	assert.Equal(t, hub.Away, s.hub.Info("s").State)
}

// One that was away goes on as it comes back: the same session and stream.
func TestPublisherComesBack(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Second)
	s.connected(t)
	s.cable.cut.Store(true)
	s.state(t, hub.Away)
	require.Eventually(t, func() bool { return s.pub.mux.to.Load() == nil }, patience, time.Millisecond)
	s.cable.cut.Store(false)
	s.state(t, hub.Live)
	require.NotNil(t, s.pub.mux.to.Load())
	s.asked.Store(0)
	s.sends(t)
	require.Eventually(t, func() bool {
		s.pub.RequestKeyframe(nil, 0)
		return s.asked.Load() > 0
	}, patience, time.Millisecond, "it is sent something again")
}

// An ICE restart by offer or by fragment leaves the media alone; the older
// generation goes on until the client has gone over.
func TestRestartedPublisherGoesOn(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	s.sends(t)
	first := s.pub.mux.credentials
	unused, err := s.pub.RestartICE(lite.Credentials{})
	require.NoError(t, err)
	require.NotEqual(t, first.Ufrag, unused.Ufrag)
	s.sends(t) // over the old path

	o := s.restart(t)
	for name, spoil := range map[string]func(*offer.Offer){
		"fingerprint": func(o *offer.Offer) { o.Fingerprint.Value = "00" },
		"mid":         func(o *offer.Offer) { o.Sections[0].Mid = "other" },
		"kind":        func(o *offer.Offer) { o.Sections[0].Kind = media.Audio },
		"number":      func(o *offer.Offer) { o.Sections = append(o.Sections, o.Sections[0]) },
	} {
		bad := *o
		bad.Sections = slices.Clone(o.Sections)
		spoil(&bad)
		_, err = s.pub.Restart(&bad)
		require.Error(t, err, name)
	}
	answer, err := s.pub.Restart(o)
	require.NoError(t, err)
	require.NotContains(t, answer, first.Ufrag)
	require.NotContains(t, answer, unused.Ufrag)
	require.NoError(t, s.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
	require.Eventually(t, func() bool { return s.pub.mux.port.Register(first.Ufrag, nobody{}) == nil }, patience, time.Millisecond,
		"the older generation ends when the client has gone over")
	s.sends(t)
	require.NoError(t, s.pub.Reason())

	s.pub.Close(hub.ErrEnded)
	require.ErrorIs(t, s.ended(t), hub.ErrEnded)
	_, err = s.pub.RestartICE(lite.Credentials{})
	require.ErrorIs(t, err, hub.ErrEnded)
}

// What is said after the end is said at once.
func TestAfterEnd(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	before, after := make(chan struct{}), make(chan struct{})
	s.pub.AfterEnd(func() { close(before) })
	s.pub.Close(hub.ErrEnded)
	<-before
	<-s.pub.Done()
	s.pub.AfterEnd(func() { close(after) })
	<-after
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
	s := prepareStudio(t, time.Hour, 50*time.Millisecond, strings.Clone)
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

// What was asked of a publisher at its old address is lost, and what it sent there.
func TestMovedPublisherIsAskedForAKeyframe(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	s.sends(t)
	to := s.pub.mux.to.Load()
	require.Eventually(t, func() bool {
		s.pub.mux.Moved(*to)
		return s.asked.Load() > 0
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
