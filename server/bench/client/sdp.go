package client

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"
)

// Payload types of our offers.
const (
	Video = 102 // H.264
	RTX   = 103 // its repairs (RFC 4588)
	Audio = 111 // Opus
)

// ErrAnswer is wrapped by what is wrong with a server's SDP answer.
var ErrAnswer = errors.New("the answer is not usable")

// transportCC numbers packets across the media of a connection, so that the
// receiver can tell when each of them came
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
const (
	transportCC   = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
	transportCCID = 3
)

// offer is what a browser offers that wants to watch, with one codec for each
// medium. All addresses are in it, but for a client behind a relay: it is told of
// the relay with the answer, and the server then learns its address by a check.
func (c *Client) offer() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("v=0")
	line("o=- %d 2 IN IP4 127.0.0.1", c.tie>>1)
	line("s=-")
	line("t=0 0")
	line("a=group:BUNDLE 0 1")
	if c.relay != nil {
		line("a=ice-options:trickle")
	}
	line("a=msid-semantic: WMS")
	section := func(mid int, kind string, formats string) {
		line("m=%s 9 UDP/TLS/RTP/SAVPF %s", kind, formats)
		line("c=IN IP4 0.0.0.0")
		if c.relay == nil {
			line("a=candidate:1 1 udp %d %s %d typ host", hostPriority, c.host.Addr(), c.host.Port())
			line("a=end-of-candidates")
		}
		line("a=ice-ufrag:%s", c.local.ufrag)
		line("a=ice-pwd:%s", c.local.password)
		line("a=fingerprint:sha-256 %s", c.identity.print)
		line("a=setup:actpass")
		line("a=mid:%d", mid)
		line("a=extmap:%d %s", transportCCID, transportCC)
		line("a=recvonly")
		line("a=rtcp-mux")
		line("a=rtcp-rsize")
	}
	section(0, "video", fmt.Sprintf("%d %d", Video, RTX))
	line("a=rtpmap:%d H264/90000", Video)
	line("a=fmtp:%d level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", Video)
	for _, fb := range []string{"transport-cc", "nack", "nack pli", "ccm fir"} {
		line("a=rtcp-fb:%d %s", Video, fb)
	}
	line("a=rtpmap:%d rtx/90000", RTX)
	line("a=fmtp:%d apt=%d", RTX, Video)
	section(1, "audio", strconv.Itoa(Audio))
	line("a=rtpmap:%d opus/48000/2", Audio)
	line("a=fmtp:%d minptime=10;useinbandfec=1", Audio)
	line("a=rtcp-fb:%d transport-cc", Audio)
	return b.String()
}

// answer is what matters of a server's answer.
type answer struct {
	remote      credentials
	print       string // SHA-256 of its certificate
	active      bool   // the server begins the DTLS handshake
	addresses   []netip.AddrPort
	transportCC uint8 // id of the header extension; 0 for none
	reducedSize bool  // RTCP packets may stand alone (RFC 5506)
}

// readAnswer reads an answer. Addresses of another family than like's and
// those that are not UDP are left out.
func readAnswer(text string, like netip.Addr) (*answer, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: it is no SDP", ErrAnswer)
	}
	a := &answer{}
	var ufrag, password string
	for _, m := range d.MediaDescriptions {
		if m.MediaName.Port.Value == 0 {
			continue
		}
		find := func(key string) string {
			if v, ok := m.Attribute(key); ok {
				return v
			}
			v, _ := d.Attribute(key)
			return v
		}
		if ufrag == "" {
			ufrag, password = find("ice-ufrag"), find("ice-pwd")
			a.active = find("setup") == "active"
		}
		_, a.reducedSize = m.Attribute("rtcp-rsize")
		a.readAttributes(append(m.Attributes, d.Attributes...), like)
	}
	switch {
	case ufrag == "" || password == "":
		return nil, fmt.Errorf("%w: it has no ICE user and password", ErrAnswer)
	case a.print == "":
		return nil, fmt.Errorf("%w: it has no SHA-256 fingerprint", ErrAnswer)
	case len(a.addresses) == 0:
		return nil, fmt.Errorf("%w: it names no UDP address that can be reached from %s", ErrAnswer, like)
	}
	a.remote = newCredentials(strings.Clone(ufrag), strings.Clone(password)) // or the whole text would stay
	a.print = strings.Clone(a.print)
	return a, nil
}

func (a *answer) readAttributes(list []sdp.Attribute, like netip.Addr) {
	for _, at := range list {
		switch at.Key {
		case "fingerprint":
			if hash, value, _ := strings.Cut(at.Value, " "); strings.EqualFold(hash, "sha-256") && a.print == "" {
				a.print = strings.ToUpper(strings.TrimSpace(value))
			}
		case "extmap":
			id, uri, _ := strings.Cut(at.Value, " ")
			if n, err := strconv.ParseUint(id, 10, 8); err == nil && n > 0 && n < 15 && strings.TrimSpace(uri) == transportCC {
				a.transportCC = uint8(n)
			}
		case "candidate":
			if addr, ok := readCandidate(at.Value); ok && addr.Addr().Is4() == like.Is4() {
				a.addAddress(addr)
			}
		}
	}
}

// maxAddresses bounds the addresses that checks are sent to.
const maxAddresses = 16

func (a *answer) addAddress(addr netip.AddrPort) {
	for _, known := range a.addresses {
		if known == addr {
			return
		}
	}
	if len(a.addresses) < maxAddresses {
		a.addresses = append(a.addresses, addr)
	}
}

// readCandidate reads "foundation component transport priority address port
// typ …" (RFC 8839 section 5.1).
func readCandidate(value string) (netip.AddrPort, bool) {
	f := strings.Fields(value)
	if len(f) < 8 || f[1] != "1" || !strings.EqualFold(f[2], "udp") {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(f[4])
	port, err2 := strconv.ParseUint(f[5], 10, 16)
	if err != nil || err2 != nil || port == 0 || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}
