package ingest

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/heliograph/heliograph/server/rtc/offer"
)

// finishAnswer completes pion's answer: all our candidates, which are known
// from the start, rtcp-mux-only (RFC 8858, wanted by RFC 9725 section 4.4.1) and
// stereo where the publisher sends it. It refuses an answer that would leave
// out a part of the offer (RFC 9725 section 4.4.3).
func finishAnswer(text string, o *offer.Offer, ways []string) (string, error) {
	var d sdp.SessionDescription
	if err := d.UnmarshalString(text); err != nil {
		return "", fmt.Errorf("reading our own answer: %w", err)
	}
	if len(d.MediaDescriptions) != len(o.Sections) {
		return "", fmt.Errorf("%w: the answer has %d m-sections, the offer %d", ErrFault, len(d.MediaDescriptions), len(o.Sections))
	}
	for i, m := range d.MediaDescriptions {
		if _, ok := m.Attribute("recvonly"); !ok || m.MediaName.Port.Value == 0 {
			return "", offer.Unusable("The m-line of %s cannot be received.", o.Sections[i].Kind)
		}
		m.Attributes = finishSection(m.Attributes, o.Sections[i])
		if i == 0 {
			m.Attributes = append(m.Attributes, candidates(ways)...)
		}
	}
	b, err := d.Marshal()
	if err != nil {
		return "", fmt.Errorf("writing our own answer: %w", err)
	}
	return string(b), nil
}

func finishSection(attributes []sdp.Attribute, s offer.Section) []sdp.Attribute {
	var kept []sdp.Attribute
	for _, a := range attributes {
		switch a.Key {
		case "candidate", "end-of-candidates", "rtcp-mux-only":
			continue
		case "fmtp":
			a.Value = withStereo(a.Value, s)
		}
		kept = append(kept, a)
		if a.Key == "rtcp-mux" {
			kept = append(kept, sdp.NewPropertyAttribute("rtcp-mux-only"))
		}
	}
	return kept
}

// withStereo asks for stereo from a publisher that says it has it: without the
// parameter browsers send opus in mono (RFC 7587 section 6.1).
func withStereo(fmtp string, s offer.Section) string {
	if !s.Stereo || strings.Contains(strings.ReplaceAll(fmtp, "sprop-stereo", ""), "stereo=") {
		return fmtp
	}
	if !strings.HasPrefix(fmtp, strconv.Itoa(int(s.Codecs[0].Payload))+" ") {
		return fmtp
	}
	return fmtp + ";stereo=1"
}

// candidates are the port's, and there are no more.
func candidates(ways []string) []sdp.Attribute {
	list := make([]sdp.Attribute, 0, len(ways)+1)
	for _, w := range ways {
		list = append(list, sdp.NewAttribute("candidate", w))
	}
	return append(list, sdp.NewPropertyAttribute("end-of-candidates"))
}
