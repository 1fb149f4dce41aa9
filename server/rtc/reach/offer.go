package reach

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Bounds of an offer.
const (
	maxOffer    = 16 << 10 // bytes
	maxLine     = 1024     // bytes
	maxSections = 8        // m-lines
)

// The lines of an offer that the answer depends on.
var (
	mediaLine = regexp.MustCompile(`^m=([A-Za-z]{1,16}) [0-9/]{1,11} ([A-Za-z/]{1,32}) ([A-Za-z0-9_-]{1,32})( [A-Za-z0-9_ -]*)?$`)
	midLine   = regexp.MustCompile(`^a=mid:([A-Za-z0-9_.+-]{1,32})$`)
)

// section is one m-section of an offer.
type section struct {
	media, proto, format string
	mid                  string // "" for none
}

// isData says whether the section is a data channel (RFC 8841).
func (s section) isData() bool {
	return s.media == "application" && (s.proto == "UDP/DTLS/SCTP" || s.proto == "TCP/DTLS/SCTP") && s.format == "webrtc-datachannel"
}

// parseOffer reads the sections of an offer, of which one at least is a data
// channel; else it returns an *offer.Error. Whatever else it says has no
// meaning for one who does nothing but answer checks.
func parseOffer(text string) ([]section, error) {
	if !strings.HasPrefix(text, "v=0") {
		return nil, offer.Malformed("The body is no SDP: that begins with v=0 (RFC 8866).")
	}
	var list []section
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case len(line) > maxLine:
			return nil, offer.Malformed("The SDP has a line of %d bytes; at most %d are accepted.", len(line), maxLine)
		case line == "a=ice-lite":
			return nil, offer.Malformed("The offer is ICE-lite and so is this server: neither would begin. Offer with a full ICE agent.")
		case strings.HasPrefix(line, "m="):
			m := mediaLine.FindStringSubmatch(line)
			if m == nil || len(list) == maxSections {
				return nil, offer.Malformed("The SDP has an m-line that cannot be read, or more than %d. Offer one data channel.", maxSections)
			}
			list = append(list, section{media: m[1], proto: m[2], format: m[3]})
		case strings.HasPrefix(line, "a=mid:") && len(list) > 0:
			if m := midLine.FindStringSubmatch(line); m != nil {
				list[len(list)-1].mid = m[1]
			}
		}
	}
	if !slices.ContainsFunc(list, section.isData) {
		return nil, offer.Malformed("The offer has no data channel. Call createDataChannel before createOffer.")
	}
	return list, nil
}

// answer is our half of the exchange.
type answer struct {
	credentials lite.Credentials
	fingerprint string   // of a certificate that is never shown
	candidates  []string // values of a=candidate:
	id          uint64   // of the SDP session
}

// write answers the first data channel of an offer and refuses the rest.
func (a *answer) write(list []section) string {
	var b strings.Builder
	data := slices.IndexFunc(list, section.isData)
	fmt.Fprintf(&b, "v=0\r\no=- %d 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", a.id)
	if mid := list[data].mid; mid != "" {
		fmt.Fprintf(&b, "a=group:BUNDLE %s\r\n", mid)
	}
	b.WriteString("a=ice-lite\r\n")
	for i, s := range list {
		port := 0
		if i == data {
			port = 9
		}
		fmt.Fprintf(&b, "m=%s %d %s %s\r\nc=IN IP4 0.0.0.0\r\n", s.media, port, s.proto, s.format)
		if s.mid != "" {
			fmt.Fprintf(&b, "a=mid:%s\r\n", s.mid)
		}
		if i == data {
			a.transport(&b)
		}
	}
	return b.String()
}

// transport writes what leads to us.
func (a *answer) transport(b *strings.Builder) {
	fmt.Fprintf(b, "a=setup:passive\r\na=fingerprint:%s\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\na=sctp-port:5000\r\n",
		a.fingerprint, a.credentials.Ufrag, a.credentials.Password)
	for _, c := range a.candidates {
		fmt.Fprintf(b, "a=candidate:%s\r\n", c)
	}
	b.WriteString("a=end-of-candidates\r\n")
}
