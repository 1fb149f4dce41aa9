package offer

import (
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/heliograph/heliograph/server/media"
)

// TransportCC names the header extension that numbers all packets of a transport.
const TransportCC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

// Section is one m-section of an offer.
type Section struct {
	Kind        media.Kind // 0 for one that is refused
	Codecs      []Codec    // that this server knows, in the offer's order
	Line        string     // the m-line's kind as offered
	Proto       string     // the m-line's protocol as offered
	Mid         string     // "" when the offer names none
	TransportCC uint8      // id of the header extension for transport-wide numbers, 1 to 14; 0 for none
	SSRCs       bool       // the offer declares its SSRCs
	Stereo      bool       // opus that is sent in stereo
}

// Refused tells whether the answer must turn the section down.
func (s *Section) Refused() bool { return s.Kind == 0 }

// addSection reads one m-section. For a viewer, what is wrong with its kind or
// its codecs refuses that section only.
func (o *Offer) addSection(m *sdp.MediaDescription, want Purpose) error {
	s := Section{Line: strings.Clone(m.MediaName.Media), Proto: strings.Clone(strings.Join(m.MediaName.Protos, "/"))}
	mid, _ := m.Attribute("mid")
	if len(mid) > maxMid || strings.ContainsAny(mid, " \t") {
		return Malformed("The mid of an m-line is a word of at most %d characters.", maxMid)
	}
	s.Mid = strings.Clone(mid)
	if len(m.MediaName.Formats) > maxPayloads {
		return Malformed("The m-line of %s has more than %d payload types.", Clip(s.Line), maxPayloads)
	}
	if err := o.readKind(&s, m); err != nil {
		if want == ToPublish {
			return err
		}
		s.Kind, s.Codecs = 0, nil
		o.Sections = append(o.Sections, s)
		return nil
	}
	if want == ToWatch && s.Mid == "" {
		return Malformed("The m-line of %s has no mid.", s.Line)
	}
	if err := o.checkSection(&s, m, want); err != nil {
		return err
	}
	if err := s.readSSRCs(m); err != nil {
		return err
	}
	s.TransportCC = o.extension(m, TransportCC)
	s.Stereo = s.Kind == media.Audio && strings.Contains(s.Codecs[0].Codec.Fmtp, "sprop-stereo=1")
	o.Sections = append(o.Sections, s)
	return nil
}

// readKind finds out what a section is of, and which codecs it has.
func (o *Offer) readKind(s *Section, m *sdp.MediaDescription) error {
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
	if _, ok := m.Attribute("bundle-only"); m.MediaName.Port.Value == 0 && !ok {
		return Unusable("The m-line of %s is rejected (port 0). Leave it out of the offer.", s.Kind)
	}
	s.Codecs = readCodecs(m, s.Kind)
	if len(s.Codecs) == 0 {
		return Unusable("The offer has no %s codec of this server: %s.", s.Kind, knownCodecs(s.Kind))
	}
	return nil
}

func (s *Section) readSSRCs(m *sdp.MediaDescription) error {
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
	return nil
}

// checkSection checks what concerns transport and direction of one m-section.
func (o *Offer) checkSection(s *Section, m *sdp.MediaDescription, want Purpose) error {
	if !strings.HasSuffix(s.Proto, "TLS/RTP/SAVPF") {
		return Unusable("The m-line of %s uses %q; only UDP/TLS/RTP/SAVPF is accepted.", s.Line, Clip(s.Proto))
	}
	if _, ok := m.Attribute("rtcp-mux"); !ok {
		return Unusable("The m-line of %s has no rtcp-mux, which is needed.", s.Line)
	}
	if setup := o.of(m, "setup"); setup != "actpass" && setup != "active" {
		return Unusable("The m-line of %s has setup:%s; this server is passive, so offer actpass or active.", s.Line, Clip(setup))
	}
	return checkDirection(s.Line, o.direction(m), want)
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

// extension returns the id of a header extension that fits the one-byte form
// (RFC 8285 section 4.2) and that the client does not mean to send only, 0 for
// none. Those of the session are for every section.
func (o *Offer) extension(m *sdp.MediaDescription, uri string) uint8 {
	for _, level := range [][]sdp.Attribute{m.Attributes, o.desc.Attributes} {
		for _, a := range level {
			if a.Key != "extmap" {
				continue
			}
			fields := strings.Fields(a.Value)
			if len(fields) < 2 || fields[1] != uri {
				continue
			}
			id, direction, _ := strings.Cut(fields[0], "/")
			n, err := strconv.ParseUint(id, 10, 8)
			if err == nil && n >= 1 && n <= 14 && direction != "sendonly" && direction != "inactive" {
				return uint8(n)
			}
		}
	}
	return 0
}
