package whipclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/media"
)

// Times of ICE.
const (
	disconnectedAfter = 5 * time.Second
	failedAfter       = 10 * time.Second
	keepaliveEvery    = 2 * time.Second
	bindTime          = time.Second // until a track that the answer took is bound
	bindPoll          = 20 * time.Millisecond
)

// Payload types of an offer: each track's own codec, and for H264 the profile
// that every server knows beside it.
const (
	firstType = 96
	plainH264 = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"
)

// nackPackets is how many packets of a track can be sent again: about 2 s.
const nackPackets = 1024

// peer is the WebRTC side of a publication.
type peer struct {
	// set at construction
	pc        *webrtc.PeerConnection
	outs      []*output
	connected chan struct{}
	failed    chan struct{}
	close     func()
}

// newPeer makes a connection that offers these codecs, one track each.
func (c Client) newPeer(local bool, codecs []media.Codec) (*peer, error) {
	engine, interceptors := &webrtc.MediaEngine{}, &interceptor.Registry{}
	payloadType := webrtc.PayloadType(firstType)
	for _, codec := range codecs {
		for _, p := range offered(codec) {
			if err := engine.RegisterCodec(webrtc.RTPCodecParameters{RTPCodecCapability: p, PayloadType: payloadType}, kindOf(codec)); err != nil {
				return nil, fmt.Errorf("offering %s: %w", codec.Name, err)
			}
			payloadType++
		}
	}
	responder, err := nack.NewResponderInterceptor(nack.ResponderSize(nackPackets))
	if err != nil {
		return nil, err
	}
	interceptors.Add(responder)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(interceptors), webrtc.WithSettingEngine(c.settings(local)))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("opening a WebRTC connection: %w", err)
	}
	p := &peer{pc: pc, connected: make(chan struct{}), failed: make(chan struct{})}
	p.close = sync.OnceFunc(func() { _ = pc.GracefulClose() })
	up, down := sync.OnceFunc(func() { close(p.connected) }), sync.OnceFunc(func() { close(p.failed) })
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			up()
		}
		if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
			down()
		}
	})
	for i, codec := range codecs {
		if err := p.add(i, codec); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

// settings keep a connection to addresses that may be reached.
func (c Client) settings(local bool) webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(local)
	s.SetICETimeouts(disconnectedAfter, failedAfter, keepaliveEvery)
	if c.Allow != nil {
		s.SetRemoteIPFilter(func(ip net.IP) bool {
			a, ok := netip.AddrFromSlice(ip)
			return ok && c.Allow(a.Unmap()) == nil
		})
	}
	return s
}

func (p *peer) add(i int, codec media.Codec) error {
	kind := kindOf(codec)
	o := &output{pc: p.pc, kind: kind, id: fmt.Sprintf("%s%d", kind, i), codec: codec.Name}
	tr, err := p.pc.AddTransceiverFromTrack(o, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return fmt.Errorf("offering %s: %w", codec.Name, err)
	}
	o.sender = tr.Sender()
	p.outs = append(p.outs, o)
	return nil
}

func kindOf(c media.Codec) webrtc.RTPCodecType {
	if c.Name == media.Opus {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}

// offered is how a codec stands in an offer, in order of preference.
func offered(c media.Codec) []webrtc.RTPCodecCapability {
	p := webrtc.RTPCodecCapability{MimeType: "video/" + c.Name, ClockRate: c.ClockRate, SDPFmtpLine: c.Fmtp}
	p.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "nack"}, {Type: "nack", Parameter: "pli"}, {Type: "ccm", Parameter: "fir"}}
	switch c.Name {
	case media.Opus:
		return []webrtc.RTPCodecCapability{{MimeType: webrtc.MimeTypeOpus, ClockRate: 48_000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1"}}
	case media.H264:
		p.SDPFmtpLine = plainH264
		if own := profile(c.Fmtp); own != "" && !strings.Contains(plainH264, own) {
			first := p
			first.SDPFmtpLine = "level-asymmetry-allowed=1;packetization-mode=1;" + own
			return []webrtc.RTPCodecCapability{first, p}
		}
	case media.H265:
		p.SDPFmtpLine = "" // parameter sets go in the stream
	}
	return []webrtc.RTPCodecCapability{p}
}

// profile returns the profile-level-id out of format parameters.
func profile(fmtp string) string {
	for part := range strings.SplitSeq(fmtp, ";") {
		if part = strings.ToLower(strings.TrimSpace(part)); strings.HasPrefix(part, "profile-level-id=") {
			return part
		}
	}
	return ""
}

// connect exchanges offer and answer and waits until media is connected.
func (p *peer) connect(ctx context.Context, e *endpoint) error {
	offer, err := p.pc.CreateOffer(nil)
	if err != nil {
		return fmt.Errorf("making an offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("making an offer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	answer, err := e.post(ctx, p.pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	if err := p.establish(ctx, answer); err != nil {
		e.hangUp(context.WithoutCancel(ctx))
		return err
	}
	return nil
}

// maxCandidates is how many addresses for media the other server may name. Each
// is tried several times from each of ours, so that with the thousands that an
// answer has room for, it could aim us at others.
const maxCandidates = 30

// bounded leaves out the candidates beyond the bound.
func bounded(answer string) string {
	var b strings.Builder
	n := 0
	for line := range strings.FieldsFuncSeq(answer, func(r rune) bool { return r == '\r' || r == '\n' }) {
		if strings.HasPrefix(line, "a=candidate") {
			if n++; n > maxCandidates {
				continue
			}
		}
		b.WriteString(line + "\r\n")
	}
	return b.String()
}

func (p *peer) establish(ctx context.Context, answer string) error {
	answer = bounded(answer)
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		return errors.New("the other server's answer cannot be used")
	}
	timeout := time.NewTimer(connectTime)
	defer timeout.Stop()
	select {
	case <-p.connected:
	case <-p.failed:
		return errNoMedia
	case <-timeout.C:
		return errNoMedia
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return p.taken(ctx)
}

// taken waits until the tracks are bound to the connection, which is a moment
// after it has come about. An audio beside the video may be refused.
func (p *peer) taken(ctx context.Context) error {
	begin := time.Now()
	for {
		var refused *output
		for _, o := range p.outs {
			if !o.bound() {
				refused = o
				break
			}
		}
		switch {
		case refused == nil:
			return nil
		case time.Since(begin) < bindTime:
			pause(ctx, bindPoll)
		case refused.kind == webrtc.RTPCodecTypeAudio && len(p.outs) > 1:
			return nil
		default:
			return fmt.Errorf("the other server does not take %s", refused.codec)
		}
	}
}
