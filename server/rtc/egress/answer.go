package egress

import (
	"fmt"
	"strings"

	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// answerer writes an SDP answer for a viewer.
type answerer struct {
	viewer     *Viewer
	candidates []string
	hash       string // fingerprint of our certificate, "sha-256 AB:CD…"
	sessionID  int64
	version    int // rises with each ICE restart
	b          strings.Builder
}

func (a *answerer) line(format string, args ...any) {
	fmt.Fprintf(&a.b, format+"\r\n", args...)
}

// write returns the answer to o. Every m-section that is not refused is
// sendonly and bundled (RFC 9143), with RTP and RTCP on one port (RFC 8858).
func (a *answerer) write(o *offer.Offer, c lite.Credentials) string {
	var bundled []string
	for _, s := range o.Sections {
		if a.viewer.lane(s.Kind) != nil {
			bundled = append(bundled, s.Mid)
		}
	}
	a.line("v=0")
	a.line("o=- %d %d IN IP4 0.0.0.0", a.sessionID, a.version)
	a.line("s=-")
	a.line("t=0 0")
	a.line("a=group:BUNDLE %s", strings.Join(bundled, " "))
	a.line("a=msid-semantic: WMS *")
	a.line("a=ice-lite")
	for _, s := range o.Sections {
		a.section(s, c)
	}
	return a.b.String()
}

func (a *answerer) section(s offer.Section, c lite.Credentials) {
	l := a.viewer.lane(s.Kind)
	if l == nil {
		a.line("m=%s 0 %s 0", s.Line, s.Proto)
		a.line("c=IN IP4 0.0.0.0")
		a.line("a=mid:%s", s.Mid)
		a.line("a=inactive")
		return
	}
	a.line("m=%s 9 UDP/TLS/RTP/SAVPF%s", s.Kind, formats(l.payloads))
	a.line("c=IN IP4 0.0.0.0")
	a.line("a=mid:%s", s.Mid)
	a.line("a=sendonly")
	a.line("a=rtcp-mux")
	a.line("a=rtcp-mux-only")
	a.line("a=rtcp-rsize")
	a.line("a=setup:passive")
	a.line("a=fingerprint:%s", a.hash)
	a.line("a=ice-ufrag:%s", c.Ufrag)
	a.line("a=ice-pwd:%s", c.Password)
	if id := l.transportID; id != 0 {
		a.line("a=extmap:%d %s", id, offer.TransportCC)
	}
	for _, p := range l.payloads {
		a.payload(l, p)
	}
	a.sources(s, l)
	a.ways()
}

func formats(list []payload) string {
	var b strings.Builder
	for _, p := range list {
		fmt.Fprintf(&b, " %d", p.pt)
		if p.rtx != 0 {
			fmt.Fprintf(&b, " %d", p.rtx)
		}
	}
	return b.String()
}

func (a *answerer) payload(l *lane, p payload) {
	channels := ""
	if p.codec.Channels > 1 {
		channels = fmt.Sprintf("/%d", p.codec.Channels)
	}
	a.line("a=rtpmap:%d %s/%d%s", p.pt, p.codec.Name, p.codec.ClockRate, channels)
	if p.codec.Fmtp != "" {
		a.line("a=fmtp:%d %s", p.pt, p.codec.Fmtp)
	}
	a.feedback(l, p)
	if p.rtx != 0 {
		a.line("a=rtpmap:%d rtx/%d", p.rtx, p.codec.ClockRate)
		a.line("a=fmtp:%d apt=%d", p.rtx, p.pt)
	}
}

// feedback says what the viewer may send about a payload (RFC 4585 section
// 4.2). With numbers for the whole transport, no packet can be sent again as it
// was: nothing is repeated of what has no retransmission format.
func (a *answerer) feedback(l *lane, p payload) {
	numbered := l.transportID != 0
	if p.nack && (p.rtx != 0 || !numbered) {
		a.line("a=rtcp-fb:%d nack", p.pt)
	}
	if p.nack {
		a.line("a=rtcp-fb:%d nack pli", p.pt)
		a.line("a=rtcp-fb:%d ccm fir", p.pt)
	}
	if numbered {
		a.line("a=rtcp-fb:%d transport-cc", p.pt)
	}
}

// sources names the SSRCs, so that no header extension is needed to tell the
// bundled media apart (RFC 5576).
func (a *answerer) sources(s offer.Section, l *lane) {
	a.line("a=msid:heliograph %s", s.Kind)
	if l.repairs() {
		a.line("a=ssrc-group:FID %d %d", l.ssrc, l.rtx.ssrc)
	}
	a.line("a=ssrc:%d cname:%s", l.ssrc, cname)
	if l.repairs() {
		a.line("a=ssrc:%d cname:%s", l.rtx.ssrc, cname)
	}
}

// ways lists all candidates: the server never trickles.
func (a *answerer) ways() {
	for _, c := range a.candidates {
		a.line("a=candidate:%s", c)
	}
	a.line("a=end-of-candidates")
}
