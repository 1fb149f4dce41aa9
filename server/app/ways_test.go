package app_test

import (
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/config"
)

// patience bounds every wait for what must happen.
const patience = 15 * time.Second

// way is how a client's network lets it out.
type way struct {
	name      string
	networks  []webrtc.NetworkType
	policy    webrtc.ICETransportPolicy
	turn      string // beginning of the one TURN URL to use
	protocol  webrtc.ICEProtocol
	candidate webrtc.ICECandidateType // of the client
}

func ways() []way {
	udp, tcp := []webrtc.NetworkType{webrtc.NetworkTypeUDP4}, []webrtc.NetworkType{webrtc.NetworkTypeTCP4}
	relay := webrtc.ICETransportPolicyRelay
	return []way{
		{"UDP", udp, webrtc.ICETransportPolicyAll, "", webrtc.ICEProtocolUDP, webrtc.ICECandidateTypeHost},
		{"ICE-TCP", tcp, webrtc.ICETransportPolicyAll, "", webrtc.ICEProtocolTCP, webrtc.ICECandidateTypeHost},
		{"TURN over TCP", udp, relay, "turn:", webrtc.ICEProtocolUDP, webrtc.ICECandidateTypeRelay},
		{"TURN over TLS", udp, relay, "turns:", webrtc.ICEProtocolUDP, webrtc.ICECandidateTypeRelay},
	}
}

// relays are the ways through TURN. Their clients have no UDP socket.
func relays() []way { return ways()[2:] }

// client makes a PeerConnection that knows only its way.
func (w way) client(t *testing.T, l *live) *webrtc.PeerConnection {
	t.Helper()
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	s.SetNetworkTypes(w.networks)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetRelayAcceptanceMinWait(0) // there is no better way to wait for
	m := &webrtc.MediaEngine{}
	require.NoError(t, m.RegisterDefaultCodecs())
	cfg := webrtc.Configuration{ICETransportPolicy: w.policy}
	if w.turn != "" {
		cfg.ICEServers = []webrtc.ICEServer{l.turn(t, w.turn)}
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m)).NewPeerConnection(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, pc.GracefulClose()) })
	return pc
}

var iceServer = regexp.MustCompile(`<(turns?:[^>]+)>; rel="ice-server"; username="([^"]+)"; credential="([^"]+)"`)

// turn asks for the TURN server whose URL begins so, with the credentials of a
// session that lasts as long as the test.
func (l *live) turn(t *testing.T, begin string) webrtc.ICEServer {
	t.Helper()
	pc := ways()[1].client(t, l) // which opens no UDP socket
	_, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	links := l.signal(t, "/whip/"+rand.Text(), pc).Values("Link")
	for _, link := range iceServer.FindAllStringSubmatch(strings.Join(links, ","), -1) {
		if strings.HasPrefix(link[1], begin) {
			return webrtc.ICEServer{URLs: []string{link[1]}, Username: link[2], Credential: link[3]}
		}
	}
	require.FailNow(t, "no such TURN server", links)
	return webrtc.ICEServer{}
}

// signal posts the offer of a client and gives it the answer.
func (l *live) signal(t *testing.T, path string, pc *webrtc.PeerConnection) http.Header {
	t.Helper()
	offer, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, pc.SetLocalDescription(offer))
	res, err := l.client().Post(l.url+path, "application/sdp", strings.NewReader(offer.SDP))
	require.NoError(t, err)
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusCreated, res.StatusCode, string(answer))
	require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(answer)}))
	return res.Header
}

// publish sends frames of VP8, each a keyframe of one packet, until the test ends.
func (l *live) publish(t *testing.T, pc *webrtc.PeerConnection, stream string) *webrtc.ICETransport {
	t.Helper()
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "cast")
	require.NoError(t, err)
	tr, err := pc.AddTransceiverFromTrack(track, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	l.signal(t, "/whip/"+stream, pc)
	quit := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for n := uint16(0); ; n++ {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			_ = track.WriteRTP(&rtp.Packet{
				Header:  rtp.Header{Version: 2, Marker: true, SequenceNumber: n, Timestamp: uint32(n) * 900},
				Payload: []byte{0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, byte(n)},
			})
		}
	})
	t.Cleanup(func() {
		close(quit)
		sending.Wait()
	})
	return tr.Sender().Transport().ICETransport()
}

// watch returns when a client has got some packets.
func (l *live) watch(t *testing.T, pc *webrtc.PeerConnection, stream string) *webrtc.ICETransport {
	t.Helper()
	tr, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
	require.NoError(t, err)
	got := make(chan struct{})
	pc.OnTrack(func(r *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		for range 10 {
			if _, _, err := r.ReadRTP(); err != nil {
				return
			}
		}
		close(got)
	})
	l.signal(t, "/whep/"+stream, pc)
	select {
	case <-got:
	case <-time.After(patience):
		require.FailNow(t, "nothing seen")
	}
	return tr.Receiver().Transport().ICETransport()
}

// Whatever a network lets through, one publishes and watches by it, at the one
// port.
func TestEveryWay(t *testing.T) {
	t.Parallel()
	set := settings(t.TempDir())
	set.Open = true
	cert, key := certificate(t)
	set.TLS = config.TLS{Certificate: cert, Key: key}
	l := start(t, set)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			stream := strings.ReplaceAll(w.name, " ", "-")
			publisher := l.publish(t, w.client(t, l), stream)
			require.Eventually(t, func() bool {
				_, state := l.get(t, "/api/v1/streams/"+stream)
				return strings.Contains(state, `"live"`)
			}, patience, 20*time.Millisecond)
			for _, transport := range []*webrtc.ICETransport{publisher, l.watch(t, w.client(t, l), stream)} {
				pair, err := transport.GetSelectedCandidatePair()
				require.NoError(t, err)
				require.Equal(t, w.protocol, pair.Remote.Protocol, pair)
				require.Equal(t, w.candidate == webrtc.ICECandidateTypeRelay, pair.Local.Typ == webrtc.ICECandidateTypeRelay, pair)
			}
		})
	}
}
