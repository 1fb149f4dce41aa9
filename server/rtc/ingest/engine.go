package ingest

import (
	"io"
	"sync/atomic"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/logging"
	"github.com/pion/transport/v4/packetio"
	"github.com/pion/webrtc/v4"

	"github.com/pion/dtls/v3"

	"github.com/heliograph/heliograph/server/rtc/offer"
)

const (
	maxDatagram = 1600    // bytes
	maxBuffered = 1 << 20 // bytes of RTP that wait for our reader
)

// newConnection makes the PeerConnection of one publication: ICE-lite on our
// port, answering, DTLS passive, with the offer's first codec of each kind.
// crowded is called when the peer uses more than offer.MaxSSRCs SSRCs.
func (i *Ingest) newConnection(o *offer.Offer, mux *iceMux, crowded func()) (*webrtc.PeerConnection, error) {
	media, err := mediaEngine(o)
	if err != nil {
		return nil, err
	}
	interceptors, err := publisherInterceptors(media)
	if err != nil {
		return nil, err
	}
	settings, err := publisherSettings(mux)
	if err != nil {
		return nil, err
	}
	settings.BufferFactory = ssrcBuffers(crowded)
	api := webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(interceptors),
		webrtc.WithSettingEngine(settings))
	return api.NewPeerConnection(webrtc.Configuration{})
}

// publisherInterceptors are those that receiving needs, without pion's NACK
// generator: ours is better (see nacker).
func publisherInterceptors(m *webrtc.MediaEngine) (*interceptor.Registry, error) {
	r := &interceptor.Registry{}
	if err := webrtc.ConfigureTWCCSender(m, r); err != nil {
		return nil, err
	}
	reports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, err
	}
	r.Add(reports)
	return r, nil
}

func publisherSettings(mux *iceMux) (webrtc.SettingEngine, error) {
	var s webrtc.SettingEngine
	s.SetLite(true)
	s.SetICEUDPMux(mux)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4}) // of the path that is none
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetICECredentials(mux.credentials.Ufrag, mux.credentials.Password)
	s.SetICETimeouts(0, 0, 0) // supervise looks after that
	s.DisableActiveTCP(true)
	s.SetFireOnTrackBeforeFirstRTP(true) // see track.read
	s.SetReceiveMTU(maxDatagram)
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	s.LoggerFactory = quiet()
	return s, s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer)
}

// quiet makes pion silent: it logs what peers send, and ICE credentials with it.
func quiet() logging.LoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}

// ssrcBuffers counts the SSRCs of one peer as pion makes a buffer for each.
func ssrcBuffers(crowded func()) func(packetio.BufferPacketType, uint32) io.ReadWriteCloser {
	var n atomic.Int32
	return func(t packetio.BufferPacketType, _ uint32) io.ReadWriteCloser {
		if t == packetio.RTPBufferPacket && n.Add(1) == offer.MaxSSRCs+1 {
			crowded()
		}
		b := packetio.NewBuffer()
		b.SetLimitSize(maxBuffered)
		return b
	}
}
