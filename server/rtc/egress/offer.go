package egress

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/sdp/v3"
)

// ErrOffer says that an SDP offer cannot be answered; it is wrapped with what
// is wrong.
var ErrOffer = errors.New("bad offer")

// Bounds of an offer.
const (
	maxSections = 4
	maxPayloads = 64
)

// offer is what matters of a viewer's SDP offer.
type offer struct {
	sections    []section
	fingerprint fingerprint
}

// section is one m-section of an offer.
type section struct {
	kind     media.Kind // 0 for what is refused: data channels, a second video
	line     string     // the m-line's media and protocol, for refusing it
	proto    string
	mid      string
	payloads []payload
}

// payload is a codec that the viewer can receive.
type payload struct {
	codec media.Codec
	pt    uint8
	rtx   uint8 // payload type of its retransmissions (RFC 4588), 0 for none
	nack  bool
}

// fingerprint is a hash of the certificate that DTLS has to show (RFC 8122).
type fingerprint struct{ hash, value string }

func parseOffer(text string) (*offer, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return nil, fmt.Errorf("%w: it is no SDP", ErrOffer) // the parser's error would quote the line, a password perhaps
	}
	if n := len(d.MediaDescriptions); n == 0 || n > maxSections {
		return nil, fmt.Errorf("%w: it has %d media sections, 1 to %d are allowed", ErrOffer, n, maxSections)
	}
	o := &offer{}
	seen := map[media.Kind]bool{}
	for _, md := range d.MediaDescriptions {
		s, err := parseSection(md)
		if err != nil {
			return nil, err
		}
		if seen[s.kind] {
			s.kind = 0
		}
		seen[s.kind] = true
		o.sections = append(o.sections, s)
		if err := o.security(&d, md); err != nil {
			return nil, err
		}
	}
	if !seen[media.Audio] && !seen[media.Video] {
		return nil, fmt.Errorf("%w: it asks for neither audio nor video", ErrOffer)
	}
	if o.fingerprint.value == "" {
		return nil, fmt.Errorf("%w: it has no fingerprint", ErrOffer)
	}
	return o, nil
}

// security reads the attributes that belong to the transport, from the first
// section that has them or from the session.
func (o *offer) security(d *sdp.SessionDescription, md *sdp.MediaDescription) error {
	find := func(key string) string {
		if v, ok := md.Attribute(key); ok {
			return v
		}
		v, _ := d.Attribute(key)
		return v
	}
	if find("setup") == "passive" {
		return fmt.Errorf("%w: its setup is passive, as the server's is: use actpass or active", ErrOffer)
	}
	if o.fingerprint.value == "" {
		hash, value, _ := strings.Cut(find("fingerprint"), " ")
		o.fingerprint = fingerprint{strings.ToLower(hash), strings.ToUpper(strings.TrimSpace(value))}
	}
	return nil
}

func parseSection(md *sdp.MediaDescription) (section, error) {
	s := section{line: md.MediaName.Media, proto: strings.Join(md.MediaName.Protos, "/")}
	s.mid, _ = md.Attribute("mid")
	if s.mid == "" || len(s.mid) > 32 {
		return s, fmt.Errorf("%w: a media section needs a mid of 1 to 32 characters", ErrOffer)
	}
	switch md.MediaName.Media {
	case "audio":
		s.kind = media.Audio
	case "video":
		s.kind = media.Video
	default:
		return s, nil
	}
	for _, key := range []string{"sendonly", "inactive"} {
		if _, ok := md.Attribute(key); ok {
			return s, fmt.Errorf("%w: its %s is %s, a viewer's is recvonly", ErrOffer, s.kind, key)
		}
	}
	if len(md.MediaName.Formats) > maxPayloads {
		return s, fmt.Errorf("%w: more than %d payload types", ErrOffer, maxPayloads)
	}
	s.payloads = parsePayloads(md)
	return s, nil
}

// attributesOf returns the attributes of one key as payload type → rest.
func attributesOf(md *sdp.MediaDescription, key string) map[string][]string {
	found := map[string][]string{}
	for _, a := range md.Attributes {
		if a.Key == key {
			pt, rest, _ := strings.Cut(a.Value, " ")
			found[pt] = append(found[pt], rest)
		}
	}
	return found
}

func parsePayloads(md *sdp.MediaDescription) []payload {
	maps, fmtps, feedback := attributesOf(md, "rtpmap"), attributesOf(md, "fmtp"), attributesOf(md, "rtcp-fb")
	first := func(m map[string][]string, key string) string {
		if v := m[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	repairs := map[string]uint8{} // payload type → its rtx
	var list []payload
	for _, format := range md.MediaName.Formats {
		pt, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		mapping := first(maps, format)
		if mapping == "" {
			mapping = staticPayloads[uint8(pt)]
		}
		codec, ok := parseRTPMap(mapping, first(fmtps, format))
		if strings.HasPrefix(mapping, "rtx/") {
			if of, found := fmtpValue(codec.Fmtp, "apt"); found {
				repairs[of] = uint8(pt)
			}
			continue
		}
		if !ok || !sendable(codec) {
			continue
		}
		p := payload{codec: codec, pt: uint8(pt)}
		for _, fb := range append(feedback[format], feedback["*"]...) {
			p.nack = p.nack || fb == "nack"
		}
		list = append(list, p)
	}
	for i := range list {
		list[i].rtx = repairs[strconv.Itoa(int(list[i].pt))]
	}
	return list
}

// staticPayloads are those of RFC 3551 that need no rtpmap.
var staticPayloads = map[uint8]string{0: "PCMU/8000", 8: "PCMA/8000", 9: "G722/8000"}

func parseRTPMap(mapping, fmtp string) (media.Codec, bool) {
	parts := strings.Split(mapping, "/")
	c := media.Codec{Name: canonical(parts[0]), Fmtp: fmtp}
	if len(parts) < 2 {
		return c, false
	}
	rate, err := strconv.ParseUint(parts[1], 10, 32)
	if err != nil {
		return c, false
	}
	c.ClockRate = uint32(rate)
	if len(parts) > 2 {
		channels, _ := strconv.ParseUint(parts[2], 10, 8)
		c.Channels = uint16(channels)
	}
	return c, true
}

// canonical spells a codec's name as this project does.
func canonical(name string) string {
	for _, known := range []string{
		media.H264, media.H265, media.VP8, media.VP9, media.AV1, media.Opus, media.G722, media.PCMU, media.PCMA,
	} {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return name
}

// fmtpValue returns one parameter of "key=value;key=value".
func fmtpValue(fmtp, key string) (string, bool) {
	for part := range strings.SplitSeq(fmtp, ";") {
		if k, v, ok := strings.Cut(strings.TrimSpace(part), "="); ok && strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}
