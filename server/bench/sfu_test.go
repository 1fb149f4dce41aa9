package bench

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// miniSFU is a WHIP and WHEP server of one stream on stock pion.
type miniSFU struct {
	t            *testing.T
	video, audio *webrtc.TrackLocalStaticRTP
	token        string

	mu       sync.Mutex
	sessions map[string]*webrtc.PeerConnection
	removed  int
	plis     int
	feedback int // on transport-wide numbers
	source   *webrtc.PeerConnection
	ssrc     uint32
}

func newMiniSFU(t *testing.T, token string) (*miniSFU, *httptest.Server) {
	t.Helper()
	s := &miniSFU{t: t, token: token, sessions: map[string]*webrtc.PeerConnection{}}
	var err error
	s.video, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264}, "v", "s")
	require.NoError(t, err)
	s.audio, err = webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus}, "a", "s")
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /whip/x", func(w http.ResponseWriter, r *http.Request) { s.accept(w, r, s.publish) })
	mux.HandleFunc("POST /whep/x", func(w http.ResponseWriter, r *http.Request) { s.accept(w, r, s.watch) })
	mux.HandleFunc("DELETE /session/{id}", s.remove)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Close()
		for _, pc := range s.sessions {
			_ = pc.GracefulClose()
		}
	})
	return s, server
}

func (s *miniSFU) accept(w http.ResponseWriter, r *http.Request, prepare func(*webrtc.PeerConnection) error) {
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		http.Error(w, "wrong key", http.StatusUnauthorized)
		return
	}
	body, _ := io.ReadAll(r.Body)
	pc, answer, err := s.answer(string(body), prepare)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	id := string(rune('a'+len(s.sessions)%26)) + r.RemoteAddr[len(r.RemoteAddr)-4:]
	s.sessions[id] = pc
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/sdp")
	w.Header().Set("Location", "../session/"+id) // relative, as RFC 9725 allows
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, answer)
}

func (s *miniSFU) answer(offer string, prepare func(*webrtc.PeerConnection) error) (*webrtc.PeerConnection, string, error) {
	engine, err := newMediaEngine()
	if err != nil {
		return nil, "", err
	}
	var settings webrtc.SettingEngine
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetInterfaceFilter(func(name string) bool { return name == "lo" })
	registry := &interceptor.Registry{}
	if err = webrtc.ConfigureTWCCHeaderExtensionSender(engine, registry); err != nil {
		return nil, "", err
	}
	api := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithSettingEngine(settings),
		webrtc.WithInterceptorRegistry(registry))
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, "", err
	}
	if err = prepare(pc); err != nil {
		return nil, "", err
	}
	if err = pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return nil, "", err
	}
	answer, err := pc.CreateAnswer(nil)
	if err != nil {
		return nil, "", err
	}
	gathered := webrtc.GatheringCompletePromise(pc)
	if err = pc.SetLocalDescription(answer); err != nil {
		return nil, "", err
	}
	<-gathered
	return pc, pc.LocalDescription().SDP, nil
}

func (s *miniSFU) publish(pc *webrtc.PeerConnection) error {
	pc.OnTrack(func(in *webrtc.TrackRemote, _ *webrtc.RTPReceiver) {
		out := s.audio
		if in.Kind() == webrtc.RTPCodecTypeVideo {
			out = s.video
			s.mu.Lock()
			s.source, s.ssrc = pc, uint32(in.SSRC())
			s.mu.Unlock()
		}
		for {
			packet, _, err := in.ReadRTP()
			if err != nil {
				return
			}
			_ = out.WriteRTP(packet)
		}
	})
	return nil
}

func (s *miniSFU) watch(pc *webrtc.PeerConnection) error {
	sender, err := pc.AddTrack(s.video)
	if err != nil {
		return err
	}
	if _, err = pc.AddTrack(s.audio); err != nil {
		return err
	}
	go func() {
		for {
			packets, _, err := sender.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				switch p.(type) {
				case *rtcp.PictureLossIndication:
					s.requestKeyframe()
				case *rtcp.TransportLayerCC:
					s.mu.Lock()
					s.feedback++
					s.mu.Unlock()
				}
			}
		}
	}()
	return nil
}

func (s *miniSFU) requestKeyframe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plis++
	if s.source != nil {
		_ = s.source.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: s.ssrc}})
	}
}

func (s *miniSFU) remove(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	pc := s.sessions[r.PathValue("id")]
	s.removed++
	s.mu.Unlock()
	if pc == nil || r.Header.Get("Authorization") != "Bearer "+s.token {
		http.NotFound(w, r)
		return
	}
	_ = pc.GracefulClose()
}
