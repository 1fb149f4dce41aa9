package offer

import (
	"slices"
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
	maxMid      = 32       // bytes
	MaxSSRCs    = 16       // of a session
)

// Purpose is what an offer is for.
type Purpose uint8

// The purposes.
const (
	ToPublish Purpose = iota + 1
	ToWatch
)

// Offer is an offer that passed all checks. Nothing of it but what Text needs
// holds on to the text that it was read from.
type Offer struct {
	Ufrag       string // ICE user fragment of the client
	Password    string // ICE password of the client
	Fingerprint Fingerprint
	Sections    []Section
	desc        *sdp.SessionDescription
}

// Fingerprint is a hash of the certificate that DTLS has to show (RFC 8122).
type Fingerprint struct {
	Hash  string // in lower case, as "sha-256"
	Value string // in upper case, as "AB:CD…"
}

// Parse checks an offer before anything is allocated for it. Candidates
// are taken out: an ICE-lite agent learns addresses from checks that prove the
// password, and never sends to one that was only named. Simulcast is taken out
// too, so that one layer is sent (RFC 8853 section 5.3.2: an answer without it
// turns it off).
//
// What a publisher offers and this server cannot take makes the whole offer
// Unusable (RFC 9725 section 4.4.3). A viewer's sections of that sort are
// refused one by one, as long as one is left (RFC 3264 section 6).
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
	if !slices.ContainsFunc(o.Sections, func(s Section) bool { return !s.Refused() }) {
		return nil, Unusable("The offer has no m-line that can be sent. Ask for video or audio in a codec of this server: %s; %s.",
			knownCodecs(media.Video), knownCodecs(media.Audio))
	}
	if err := o.checkBundle(); err != nil {
		return nil, err
	}
	return o, nil
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
		if strings.ContainsFunc(line, isControl) {
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

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

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
	o.Ufrag, o.Password = strings.Clone(o.find("ice-ufrag")), strings.Clone(o.find("ice-pwd"))
	if o.Ufrag == "" || o.Password == "" {
		return Malformed("The SDP has no ice-ufrag or no ice-pwd.")
	}
	hash, value, _ := strings.Cut(o.find("fingerprint"), " ")
	if hash == "" {
		return Malformed("The SDP has no fingerprint; only encrypted media (DTLS-SRTP) is accepted.")
	}
	o.Fingerprint = Fingerprint{
		Hash:  strings.Clone(strings.ToLower(hash)),
		Value: strings.Clone(strings.ToUpper(strings.TrimSpace(value))),
	}
	return nil
}

// find returns the first value of an attribute: the first section's own, else
// the session's, else of the sections that follow.
func (o *Offer) find(key string) string {
	for _, m := range o.desc.MediaDescriptions {
		if v := o.of(m, key); v != "" {
			return v
		}
	}
	return ""
}

// of returns an attribute of an m-section, or the session's.
func (o *Offer) of(m *sdp.MediaDescription, key string) string {
	if v, ok := m.Attribute(key); ok {
		return v
	}
	v, _ := o.desc.Attribute(key)
	return v
}

// checkBundle wants all m-sections on one transport (RFC 9725 section 4.4.1).
func (o *Offer) checkBundle() error {
	if len(o.Sections) < 2 {
		return nil
	}
	group, _ := o.desc.Attribute("group")
	mids := strings.Fields(group)
	for _, s := range o.Sections {
		if s.Refused() {
			continue
		}
		if s.Mid == "" || len(mids) == 0 || mids[0] != "BUNDLE" || !slices.Contains(mids[1:], s.Mid) {
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
