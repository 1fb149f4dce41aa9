package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/bench/client"
	"github.com/heliograph/heliograph/server/bench/clip"
)

// Payload types in our offers, the same for publisher and viewers.
const (
	ptVideo = client.Video
	ptRTX   = client.RTX
	ptOpus  = client.Audio
)

const (
	connectTimeout = 15 * time.Second
	closeTimeout   = 10 * time.Second
)

var errDisconnected = errors.New("the WebRTC connection broke off")

// dialer has what the sessions of one run share.
type dialer struct {
	// set at construction
	http     *http.Client
	identity *client.Identity // of all viewers
}

func newDialer() (*dialer, error) {
	id, err := client.NewIdentity()
	if err != nil {
		return nil, err
	}
	return &dialer{http: newHTTPClient(), identity: id}, nil
}

// peer is the publisher's end of its WHIP session.
type peer struct {
	// set at construction
	dialer *dialer
	pc     *webrtc.PeerConnection
	socket *socket
	state  chan webrtc.PeerConnectionState // the latest ones; read by one goroutine

	// owned by the caller of negotiate
	resource resource
}

func (d *dialer) newPeer(ip net.IP, registry *interceptor.Registry, engine *webrtc.MediaEngine) (*peer, error) {
	socket, err := newSocket(ip)
	if err != nil {
		return nil, err
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings(socket)))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		_ = socket.Close()
		return nil, fmt.Errorf("no peer connection: %w", err)
	}
	p := &peer{dialer: d, pc: pc, socket: socket, state: make(chan webrtc.PeerConnectionState, 16)}
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		select {
		case p.state <- s:
		default: // a reader that far behind has seen enough
		}
	})
	return p, nil
}

func settings(s *socket) webrtc.SettingEngine {
	var e webrtc.SettingEngine
	e.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	e.SetICEUDPMux(s)
	e.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	e.SetIncludeLoopbackCandidate(true)
	e.DisableActiveTCP(true)
	network := webrtc.NetworkTypeUDP4
	if s.addr.IP.To4() == nil {
		network = webrtc.NetworkTypeUDP6
	}
	e.SetNetworkTypes([]webrtc.NetworkType{network})
	// GCM first: the other profile costs six times as much CPU on both sides.
	e.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	return e
}

// newMediaEngine offers what the clip is made of and nothing else.
func newMediaEngine() (*webrtc.MediaEngine, error) {
	feedback := []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}
	video := []webrtc.RTPCodecParameters{
		{PayloadType: ptVideo, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeH264, ClockRate: clip.VideoClock, RTCPFeedback: feedback,
			SDPFmtpLine: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
		}},
		{PayloadType: ptRTX, RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeRTX, ClockRate: clip.VideoClock, SDPFmtpLine: fmt.Sprintf("apt=%d", ptVideo),
		}},
	}
	opus := webrtc.RTPCodecParameters{PayloadType: ptOpus, RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: clip.AudioClock, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	}}
	engine := &webrtc.MediaEngine{}
	for _, c := range video {
		if err := engine.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, fmt.Errorf("codec %s: %w", c.MimeType, err)
		}
	}
	if err := engine.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("codec %s: %w", opus.MimeType, err)
	}
	return engine, nil
}

// negotiate makes the offer with all candidates in it, POSTs it and takes the
// answer.
func (p *peer) negotiate(ctx context.Context, to Endpoint) error {
	local, err := p.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("no offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err = p.pc.SetLocalDescription(local); err != nil {
		return fmt.Errorf("no offer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	answer, res, err := offer(ctx, p.dialer.http, to, p.pc.LocalDescription().SDP)
	p.resource = res
	if err != nil {
		return err
	}
	remote := webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}
	if err = p.pc.SetRemoteDescription(remote); err != nil {
		return fmt.Errorf("the answer is not usable: %w", err)
	}
	return nil
}

// connected waits until ICE and DTLS are done.
func (p *peer) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	for {
		select {
		case s := <-p.state:
			switch s {
			case webrtc.PeerConnectionStateConnected:
				return nil
			case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
				return errDisconnected
			}
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return fmt.Errorf("ICE and DTLS were not done within %s: "+
					"the server's media address may not be reachable from here", connectTimeout)
			}
			return ctx.Err()
		}
	}
}

// close ends the session on the server and then the connection. Pion can wait
// for ever if a new SSRC comes while it closes; one such peer must not keep
// the report back.
func (p *peer) close(ctx context.Context) {
	p.resource.remove(ctx, p.dialer.http)
	closed := make(chan struct{})
	go func() {
		_ = p.pc.GracefulClose()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(closeTimeout):
	}
	_ = p.socket.Close()
}
