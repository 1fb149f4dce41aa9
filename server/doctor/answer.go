package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// maxCandidates bounds how many addresses of an answer are tried.
const maxCandidates = 16

// errAnswer wraps what is wrong with the answer to POST /reach.
var errAnswer = errors.New("no test can be made")

// peer is the other side of a test: the answer to one POST /reach. Its
// password and those of the servers are secrets of this test.
type peer struct {
	ufrag, password string
	udp, tcp        []netip.AddrPort // candidates
	servers         []turnServer
}

// turnServer is one URL for TURN with its credentials.
type turnServer struct {
	host, port         string
	secure, stream     bool
	username, password string
}

// way is the name of the way through the server.
func (s turnServer) way() string {
	switch {
	case s.secure:
		return wayTURNTLS
	case s.stream:
		return wayTURNTCP
	}
	return wayTURNUDP
}

// meet begins a test. Each way has its own: one ends after 20 s.
func (e *examination) meet(ctx context.Context) (*peer, error) {
	status, header, body, err := e.request(ctx, http.MethodPost, "/reach", offer())
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s", errAnswer, brief(err))
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("%w: the server, or a proxy before it, does not know POST /reach", errAnswer)
	case status == http.StatusTooManyRequests:
		return nil, fmt.Errorf("%w: too many tests were made from here, try again in a minute", errAnswer)
	case status != http.StatusCreated:
		return nil, fmt.Errorf("%w: the server says status %d", errAnswer, status)
	}
	p, err := parseAnswer(body)
	if err != nil {
		return nil, err
	}
	p.servers = parseLinks(header.Values("Link"))
	return p, nil
}

// offer is that of a browser with a data channel; its certificate is never
// asked for.
func offer() string {
	fingerprint := strings.TrimSuffix(strings.Repeat("00:", 32), ":")
	return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sctp-port:5000\r\na=setup:actpass\r\n" +
		"a=fingerprint:sha-256 " + fingerprint + "\r\na=ice-ufrag:" + rand.Text()[:8] + "\r\na=ice-pwd:" + rand.Text() + "\r\n"
}

// parseAnswer reads what leads to the peer.
func parseAnswer(text string) (*peer, error) {
	p := &peer{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			p.ufrag = v
		} else if v, ok := strings.CutPrefix(line, "a=ice-pwd:"); ok {
			p.password = v
		} else if v, ok := strings.CutPrefix(line, "a=candidate:"); ok {
			p.addCandidate(strings.Fields(v))
		}
	}
	if p.ufrag == "" || len(p.ufrag) > 256 || p.password == "" || len(p.udp)+len(p.tcp) == 0 {
		return nil, fmt.Errorf("%w: the answer names no address", errAnswer)
	}
	return p, nil
}

// addCandidate reads a candidate (RFC 8839 section 5.1): foundation, component,
// transport, priority, address, port and more.
func (p *peer) addCandidate(f []string) {
	if len(f) < 8 || len(p.udp)+len(p.tcp) == maxCandidates {
		return
	}
	address, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if err != nil || err2 != nil || address.Zone() != "" {
		return
	}
	at := netip.AddrPortFrom(address.Unmap(), uint16(port))
	if strings.EqualFold(f[2], "udp") {
		p.udp = append(p.udp, at)
	} else if strings.EqualFold(f[2], "tcp") && strings.HasSuffix(strings.Join(f, " "), "tcptype passive") {
		p.tcp = append(p.tcp, at)
	}
}

// The parts of a Link header (RFC 8288). A proxy may have joined several.
var (
	linkURL       = regexp.MustCompile(`<([^<>]{1,512})>([^<]*)`)
	linkParameter = regexp.MustCompile(`(username|credential)="((?:[^"\\]|\\.){0,512})"`)
	linkEscape    = regexp.MustCompile(`\\(.)`)
)

// parseLinks reads the TURN servers that an answer came with.
func parseLinks(headers []string) []turnServer {
	var list []turnServer
	for _, m := range linkURL.FindAllStringSubmatch(strings.Join(headers, ", "), maxCandidates) {
		s, ok := parseTURN(m[1])
		if !ok {
			continue
		}
		for _, p := range linkParameter.FindAllStringSubmatch(m[2], -1) {
			value := linkEscape.ReplaceAllString(p[2], "$1")
			if p[1] == "username" {
				s.username = value
			} else {
				s.password = value
			}
		}
		list = append(list, s)
	}
	return list
}

// parseTURN reads a URL of a TURN server (RFC 7065).
func parseTURN(text string) (turnServer, bool) {
	scheme, rest, _ := strings.Cut(text, ":")
	if scheme != "turn" && scheme != "turns" {
		return turnServer{}, false
	}
	rest, query, _ := strings.Cut(rest, "?")
	s := turnServer{secure: scheme == "turns", stream: scheme == "turns" || query == "transport=tcp"}
	var err error
	if s.host, s.port, err = net.SplitHostPort(rest); err != nil {
		s.host, s.port = strings.Trim(rest, "[]"), "3478"
		if s.secure {
			s.port = "5349"
		}
	}
	return s, s.host != ""
}
