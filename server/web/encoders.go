package web

import (
	"net"
	"net/http"
	"strconv"
)

// Encoders says by which doors programs publish and play.
type Encoders struct {
	RTMP, RTMPS int         // ports; 0 where the door is shut
	RTSP, RTSPS int         // the same
	SRT         int         // the same
	Encrypted   bool        // SRT asks for the operator's passphrase
	Transcoder  func() bool // tells whether sound and pictures can be converted; nil for never
}

// encoderAddresses is Encoders as a client sees it; what is shut is absent.
type encoderAddresses struct {
	Host       string `json:"host"`
	RTMP       string `json:"rtmp,omitempty"`
	RTMPS      string `json:"rtmps,omitempty"`
	RTSP       string `json:"rtsp,omitempty"`
	RTSPS      string `json:"rtsps,omitempty"`
	SRT        string `json:"srt,omitempty"`
	WHIP       string `json:"whip,omitempty"`
	Transcoder bool   `json:"transcoder"`
	Encrypted  bool   `json:"encrypted"`
}

// getEncoders writes the addresses with the host by which the client reached
// this server: it is the one name that is known to work from there.
func (s *Server) getEncoders(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r)
	at := func(scheme string, port int, path string) string {
		if port == 0 {
			return ""
		}
		return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port)) + path
	}
	e := s.cfg.Encoders
	a := encoderAddresses{
		Host:       host,
		RTMP:       at("rtmp", e.RTMP, "/live"),
		RTMPS:      at("rtmps", e.RTMPS, "/live"),
		RTSP:       at("rtsp", e.RTSP, ""),
		RTSPS:      at("rtsps", e.RTSPS, ""),
		SRT:        at("srt", e.SRT, ""),
		Transcoder: e.Transcoder != nil && e.Transcoder(),
		Encrypted:  e.Encrypted,
	}
	if s.cfg.Media.WHIP != nil {
		a.WHIP = ownAddress(r) + "/whip"
	}
	s.writeJSON(w, r, http.StatusOK, a)
}

// ownAddress is the address of this door as the client wrote it. A proxy that
// speaks TLS for us says so in a header; a client that makes it up fools itself.
func ownAddress(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + authority(r)
}

// authority is the Host of a request, with its port where it names one.
func authority(r *http.Request) string {
	host := hostOf(r)
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		if n, err := strconv.ParseUint(port, 10, 16); err == nil && n > 0 {
			return net.JoinHostPort(host, port)
		}
	}
	return bracketed(host)
}

// bracketed writes an IPv6 address as a URL has it (RFC 3986 section 3.2.2).
func bracketed(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		return "[" + host + "]"
	}
	return host
}
