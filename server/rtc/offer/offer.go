package offer

import (
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/heliograph/heliograph/server/media"
)

// Limits of an offer.
const (
	MaxBytes    = 64 << 10 // bytes
	maxLine     = 4096     // bytes
	maxSections = 4        // m-lines
	maxPayloads = 64       // payload types of an m-line
	MaxSSRCs    = 16       // of a session
)

// Purpose is what an offer is for.
type Purpose uint8

// The purposes.
const (
	ToPublish Purpose = iota + 1
	ToWatch
)

// Offer is an offer that passed all checks.
type Offer struct {
	Ufrag    string // ICE user fragment of the client
	desc     *sdp.SessionDescription
	Sections []Section
}

// Section is one m-section of an offer.
type Section struct {
	Kind   media.Kind
	Codecs []Codec // that this server knows, in the offer's order
	SSRCs  bool    // the offer declares its SSRCs
	Stereo bool    // opus that is sent in stereo
}

// Parse checks an offer before anything is allocated for it. Candidates
// are taken out: an ICE-lite agent learns addresses from checks that prove the
// password, and never sends to one that was only named. Simulcast is taken out
// too, so that one layer is sent (RFC 8853 section 5.3.2: an answer without it
// turns it off).
func Parse(text string, want Purpose) (*Offer, error) {
	kept, err := filterLines(text)
	if err != nil {
		return nil, err
	}
	o := &Offer{desc: &sdp.SessionDescription{}}
	if err := o.desc.UnmarshalString(kept); err != nil {
		return nil, Malformed("The SDP cannot be read: each line is 'x=value', from v=0 on (RFC 8866).")
	}
	if len(o.desc.MediaDescriptions) == 0 {
		return nil, Malformed("The SDP offers no media. Add a video or an audio track.")
	}
	if err := o.checkSession(); err != nil {
		return nil, err
	}
	for _, m := range o.desc.MediaDescriptions {
		if err := o.addSection(m, want); err != nil {
			return nil, err
		}
	}
	return o, o.checkBundle()
}

// Text returns the offer without what was taken out of it.
func (o *Offer) Text() (string, error) {
	b, err := o.desc.Marshal()
	if err != nil {
		return "", Malformed("The SDP cannot be read: each line is 'x=value', from v=0 on (RFC 8866).")
	}
	return string(b), nil
}

// filterLines bounds an SDP's size before it is parsed.
func filterLines(text string) (string, error) {
	if len(text) > MaxBytes {
		return "", Malformed("The SDP has %d bytes; at most %d are accepted.", len(text), MaxBytes)
	}
	var kept strings.Builder
	sections := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if len(line) > maxLine {
			return "", Malformed("The SDP has a line of %d bytes; at most %d are accepted.", len(line), maxLine)
		}
		if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "", Malformed("The SDP contains control characters.")
		}
		if strings.HasPrefix(line, "m=") {
			if sections++; sections > maxSections {
				return "", Unusable("The SDP has more than %d m-lines. Offer one video and one audio.", maxSections)
			}
		}
		if needed(line) {
			kept.WriteString(line)
			kept.WriteString("\r\n")
		}
	}
	return kept.String(), nil
}

// needed tells the lines of candidates and simulcast from the others.
func needed(line string) bool {
	for _, prefix := range []string{"a=candidate:", "a=end-of-candidates", "a=simulcast:", "a=rid:", "a=ssrc-group:SIM "} {
		if strings.HasPrefix(line, prefix) {
			return false
		}
	}
	return true
}

func (o *Offer) checkSession() error {
	if _, lite := o.desc.Attribute("ice-lite"); lite {
		return Unusable("The offer is ICE-lite and so is this server: neither would begin. Offer with a full ICE agent.")
	}
	o.Ufrag = o.find("ice-ufrag")
	switch {
	case o.Ufrag == "" || o.find("ice-pwd") == "":
		return Malformed("The SDP has no ice-ufrag or no ice-pwd.")
	case o.find("fingerprint") == "":
		return Malformed("The SDP has no fingerprint; only encrypted media (DTLS-SRTP) is accepted.")
	}
	return nil
}

// find returns the first value of an attribute at session or media level.
func (o *Offer) find(key string) string {
	if v, ok := o.desc.Attribute(key); ok {
		return v
	}
	for _, m := range o.desc.MediaDescriptions {
		if v, ok := m.Attribute(key); ok {
			return v
		}
	}
	return ""
}

func (o *Offer) addSection(m *sdp.MediaDescription, want Purpose) error {
	s := Section{}
	switch m.MediaName.Media {
	case "audio":
		s.Kind = media.Audio
	case "video":
		s.Kind = media.Video
	default:
		return Unusable("The offer has an m-line of kind %q; only video and audio are accepted.", Clip(m.MediaName.Media))
	}
	for _, other := range o.Sections {
		if other.Kind == s.Kind {
			return Unusable("The offer has two m-lines of kind %s; a stream has at most one of each.", s.Kind)
		}
	}
	if err := o.checkSection(m, want); err != nil {
		return err
	}
	s.Codecs = readCodecs(m, s.Kind)
	if len(s.Codecs) == 0 {
		return Unusable("The offer has no %s codec of this server: %s.", s.Kind, knownCodecs(s.Kind))
	}
	ssrcs := 0
	for _, a := range m.Attributes {
		if a.Key == "ssrc" {
			ssrcs++
		}
	}
	// An SSRC has up to four lines: cname, msid, mslabel and label.
	if ssrcs > 4*MaxSSRCs {
		return Malformed("The SDP declares more than %d SSRCs.", MaxSSRCs)
	}
	s.SSRCs = ssrcs > 0
	s.Stereo = s.Kind == media.Audio && strings.Contains(s.Codecs[0].Codec.Fmtp, "sprop-stereo=1")
	o.Sections = append(o.Sections, s)
	return nil
}

// checkSection checks what concerns transport and direction of one m-section.
func (o *Offer) checkSection(m *sdp.MediaDescription, want Purpose) error {
	kind := m.MediaName.Media
	if len(m.MediaName.Formats) > maxPayloads {
		return Malformed("The m-line of %s has more than %d payload types.", kind, maxPayloads)
	}
	if _, ok := m.Attribute("bundle-only"); m.MediaName.Port.Value == 0 && !ok {
		return Unusable("The m-line of %s is rejected (port 0). Leave it out of the offer.", kind)
	}
	if proto := strings.Join(m.MediaName.Protos, "/"); !strings.HasSuffix(proto, "TLS/RTP/SAVPF") {
		return Unusable("The m-line of %s uses %q; only UDP/TLS/RTP/SAVPF is accepted.", kind, Clip(proto))
	}
	if _, ok := m.Attribute("rtcp-mux"); !ok {
		return Unusable("The m-line of %s has no rtcp-mux, which is needed.", kind)
	}
	if setup := o.of(m, "setup"); setup != "actpass" && setup != "active" {
		return Unusable("The m-line of %s has setup:%s; this server is passive, so offer actpass or active.", kind, Clip(setup))
	}
	return checkDirection(kind, o.direction(m), want)
}

func checkDirection(kind, direction string, want Purpose) error {
	if direction == "sendrecv" {
		return nil
	}
	if want == ToPublish && direction != "sendonly" {
		return Unusable("The m-line of %s is %s. To publish, offer sendonly.", kind, direction)
	}
	if want == ToWatch && direction != "recvonly" {
		return Unusable("The m-line of %s is %s. To watch, offer recvonly.", kind, direction)
	}
	return nil
}

// of returns an attribute of an m-section, or the session's.
func (o *Offer) of(m *sdp.MediaDescription, key string) string {
	if v, ok := m.Attribute(key); ok {
		return v
	}
	v, _ := o.desc.Attribute(key)
	return v
}

func (o *Offer) direction(m *sdp.MediaDescription) string {
	for _, level := range [][]sdp.Attribute{m.Attributes, o.desc.Attributes} {
		for _, a := range level {
			switch a.Key {
			case "sendrecv", "sendonly", "recvonly", "inactive":
				return a.Key
			}
		}
	}
	return "sendrecv"
}

// checkBundle wants all m-sections on one transport (RFC 9725 section 4.4.1).
func (o *Offer) checkBundle() error {
	if len(o.Sections) < 2 {
		return nil
	}
	group, _ := o.desc.Attribute("group")
	mids := strings.Fields(group)
	for _, m := range o.desc.MediaDescriptions {
		mid, _ := m.Attribute("mid")
		found := false
		for i := 1; i < len(mids) && mids[0] == "BUNDLE"; i++ {
			found = found || mids[i] == mid
		}
		if !found || mid == "" {
			return Unusable("The m-lines are not in one BUNDLE group. Offer with the bundle policy max-bundle.")
		}
	}
	return nil
}

// Clip keeps what a client sent short enough to be repeated in an answer.
func Clip(s string) string {
	const most = 40
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
