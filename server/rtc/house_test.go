package rtc

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/egress"
	"github.com/heliograph/heliograph/server/store"
)

// patience bounds every wait of the tests; nothing is expected to take long.
const patience = 10 * time.Second

// turnStub hands out recognisable credentials and notes what was revoked.
type turnStub struct {
	mu      sync.Mutex
	revoked map[string]bool
}

func (s *turnStub) Servers(holder, host string) []ICEServer {
	return []ICEServer{{URLs: []string{"turn:" + host + "?transport=tcp"}, Username: holder, Credential: "c" + holder}}
}

func (s *turnStub) Revoke(holder string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked[holder] = true
}

// house is a whole media server on a loopback port.
type house struct {
	t    *testing.T
	hub  *hub.Hub
	srv  *Server
	port *port.Port
	auth *auth.Service
	turn *turnStub
	url  string
	stop func() // ends everything and waits for it
}

func newHouse(t *testing.T, open bool) *house {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	h := &house{t: t, hub: hub.New(hub.Config{}), turn: &turnStub{revoked: map[string]bool{}}}
	db, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	h.auth, err = auth.New(ctx, auth.Config{Storage: db, Open: open})
	require.NoError(t, err)
	h.port, err = port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	out, err := egress.New(egress.Config{Port: h.port})
	require.NoError(t, err)
	h.srv, err = New(Config{Hub: h.hub, Checker: h.auth, Port: h.port, Egress: out, ICE: h.turn})
	require.NoError(t, err)
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{h.port.Run, out.Run, h.hub.Run, h.srv.Run} {
		parts.Go(func() { _ = run(ctx) })
	}
	mux := http.NewServeMux()
	mux.Handle("/whip/", h.srv.WHIP())
	mux.Handle("/whep/", h.srv.WHEP())
	web := httptest.NewServer(mux)
	h.url = web.URL
	var once sync.Once
	h.stop = func() {
		once.Do(func() {
			web.Close()
			cancel()
			parts.Wait()
		})
	}
	t.Cleanup(h.stop)
	require.Eventually(t, func() bool {
		h.srv.sessions.mu.Lock()
		defer h.srv.sessions.mu.Unlock()
		return h.srv.sessions.running
	}, patience, time.Millisecond)
	return h
}

// addr parses an address.
func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// key makes a stream key.
func (h *house) key(stream string) string {
	h.t.Helper()
	k, err := h.auth.NewKey(context.Background(), stream, nil)
	require.NoError(h.t, err)
	return k
}

// token makes a token that nobody else has.
func (h *house) token(a auth.Action, stream string, ttl time.Duration) string {
	h.t.Helper()
	k, err := h.auth.NewToken(a, stream, ttl)
	require.NoError(h.t, err)
	return k
}

// newPeer makes a client's PeerConnection, closed with the test.
func newPeer(t *testing.T, codecs ...webrtc.RTPCodecParameters) *webrtc.PeerConnection {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	m := &webrtc.MediaEngine{}
	if len(codecs) == 0 {
		require.NoError(t, m.RegisterDefaultCodecs())
	}
	for _, c := range codecs {
		kind := webrtc.RTPCodecTypeVideo
		if c.Channels > 0 {
			kind = webrtc.RTPCodecTypeAudio
		}
		require.NoError(t, m.RegisterCodec(c, kind))
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pc.Close() })
	return pc
}

// caster is a publishing client.
type caster struct {
	pc    *webrtc.PeerConnection
	video *webrtc.TrackLocalStaticRTP
	audio *webrtc.TrackLocalStaticRTP
	send  *webrtc.RTPSender
	offer string
}

func newCaster(t *testing.T, video string) *caster {
	t.Helper()
	c := &caster{pc: newPeer(t)}
	var err error
	c.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: video}, "video", "cast")
	require.NoError(t, err)
	c.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "audio", "cast")
	require.NoError(t, err)
	for _, track := range []*webrtc.TrackLocalStaticRTP{c.audio, c.video} {
		tr, err := c.pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
		require.NoError(t, err)
		c.send = tr.Sender()
	}
	c.offer = offerOf(t, c.pc)
	return c
}

func offerOf(t *testing.T, pc *webrtc.PeerConnection) string {
	t.Helper()
	o, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, pc.SetLocalDescription(o))
	return o.SDP
}

func accept(t *testing.T, pc *webrtc.PeerConnection, answer string) {
	t.Helper()
	require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}))
}

// newWatcher is a client that wants video and audio.
func newWatcher(t *testing.T, codecs ...webrtc.RTPCodecParameters) *webrtc.PeerConnection {
	t.Helper()
	pc := newPeer(t, codecs...)
	kinds := []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio}
	if len(codecs) > 0 {
		kinds = kinds[:1]
	}
	for _, k := range kinds {
		_, err := pc.AddTransceiverFromKind(k, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		require.NoError(t, err)
	}
	return pc
}

// vp8 is packet seq of a stream whose every tenth frame is a keyframe; each
// frame is one packet.
func vp8(seq uint16) *rtp.Packet {
	payload := []byte{0x10, 0x01, 0, 0, byte(seq >> 8), byte(seq)} // interframe
	if seq%10 == 0 {
		payload = []byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, byte(seq >> 8), byte(seq)}
	}
	return &rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: seq, Timestamp: uint32(seq) * 3000},
		Payload: payload,
	}
}

// cast sends video until stop is called.
func (c *caster) cast(t *testing.T) (stop func()) {
	t.Helper()
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for seq := uint16(0); ; seq++ {
			select {
			case <-quit:
				return
			case <-tick.C:
				_ = c.video.WriteRTP(vp8(seq))
			}
		}
	}()
	var once sync.Once
	stop = func() {
		once.Do(func() { close(quit) })
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// live waits until a stream is live with as many tracks.
func (h *house) live(stream string, tracks int) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		i := h.hub.Info(stream)
		return i.State == hub.Live && len(i.Tracks) == tracks
	}, patience, 5*time.Millisecond)
}

// sees returns when a watcher got n video packets.
func sees(t *testing.T, pc *webrtc.PeerConnection, n int) (wait func()) {
	t.Helper()
	got := make(chan struct{})
	var once sync.Once
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		if r.Kind() != webrtc.RTPCodecTypeVideo {
			return
		}
		for i := 0; ; i++ {
			if _, _, err := r.ReadRTP(); err != nil {
				return
			}
			if i >= n {
				once.Do(func() { close(got) })
			}
		}
	})
	return func() {
		t.Helper()
		select {
		case <-got:
		case <-time.After(patience):
			t.Fatal("the watcher saw nothing")
		}
	}
}

// reportPackets tells got of each video packet that a watcher gets.
func reportPackets(pc *webrtc.PeerConnection, got chan<- struct{}) {
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for r.Kind() == webrtc.RTPCodecTypeVideo {
			if _, _, err := r.ReadRTP(); err != nil {
				return
			}
			select {
			case got <- struct{}{}:
			default:
			}
		}
	})
}

// flows returns when some more packets have come.
func flows(t *testing.T, got <-chan struct{}) {
	t.Helper()
	deadline := time.After(patience)
	for range 10 {
		select {
		case <-got:
		case <-deadline:
			t.Fatal("no packets come")
		}
	}
}
