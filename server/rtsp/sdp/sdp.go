// Package sdp mends the descriptions of encoders and cameras before the library
// reads them, and bounds what that costs. It knows neither sessions nor streams.
package sdp

import (
	"bytes"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/sdpunmarshaler"
)

// Unusable marks a codec whose description the library does not take.
const Unusable = "unusable-"

// Bounds on a description. No encoder and no camera comes near; but the library
// looks for every payload type through all lines, and before anybody has signed
// in: one of 128 KB would keep it busy for a minute.
const (
	maxSections     = 16
	maxPayloadTypes = 32 // of a section
	maxLines        = 512
)

// modest tells whether a description is within the bounds.
func modest(body []byte) bool {
	lines, sections := 0, 0
	for line := range bytes.Lines(bytes.ReplaceAll(body, []byte("\r"), nil)) {
		if lines++; lines > maxLines {
			return false
		}
		if !bytes.HasPrefix(line, []byte("m=")) {
			continue
		}
		if sections++; sections > maxSections || len(bytes.Fields(line)) > maxPayloadTypes+3 {
			return false
		}
	}
	return true
}

// Head makes a whole description of one media section.
const Head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"

// Mend returns a description that the library takes, of one of which it
// may not take all: it refuses the whole for one codec with odd parameters. Such
// a codec is renamed, so that it is left out and can be named. H264 in
// packetization mode 0, which it refuses too, is passed off as mode 1, of which
// it is a part; many encoders and cameras just do not say what they send.
//
// It returns nothing for one beyond the bounds, which the library refuses.
func Mend(body []byte) []byte {
	if !modest(body) {
		return nil
	}
	head, sections := cutSDP(body)
	changed := false
	for i, section := range sections {
		if !strings.HasSuffix(section, "\n") {
			section += "\r\n"
		}
		if s := withMode(section); s != section {
			sections[i], section, changed = s, s, true
		}
		if takes(section) {
			continue
		}
		if s := renamed(section); takes(s) {
			sections[i], changed = s, true
		}
	}
	if !changed {
		return body
	}
	return []byte(head + strings.Join(sections, ""))
}

// cutSDP cuts a description before each media section.
func cutSDP(body []byte) (head string, sections []string) {
	at := 0
	var cuts []int
	for line := range bytes.Lines(body) {
		if bytes.HasPrefix(line, []byte("m=")) {
			cuts = append(cuts, at)
		}
		at += len(line)
	}
	if len(cuts) == 0 {
		return string(body), nil
	}
	for i, from := range cuts {
		to := len(body)
		if i+1 < len(cuts) {
			to = cuts[i+1]
		}
		sections = append(sections, string(body[from:to]))
	}
	return string(body[:cuts[0]]), sections
}

// takes tells whether the library takes a media section.
func takes(section string) bool {
	s, err := sdpunmarshaler.Unmarshal([]byte(Head + section))
	if err != nil {
		return false
	}
	var d description.Session
	return d.Unmarshal2(s) == nil
}

// renamed marks the codecs of a section and drops their parameters. Those
// without a name get one.
func renamed(section string) string {
	var out strings.Builder
	for line := range strings.Lines(section) {
		switch {
		case strings.HasPrefix(line, "a=fmtp:"):
			continue
		case strings.HasPrefix(line, "a=rtpmap:"):
			if payloadType, codec, found := strings.Cut(line, " "); found {
				line = payloadType + " " + Unusable + strings.TrimLeft(codec, " ")
			}
		}
		out.WriteString(line)
	}
	first, _, _ := strings.Cut(section, "\n")
	for _, payloadType := range strings.Fields(first)[min(3, len(strings.Fields(first))):] {
		if !strings.Contains(section, "a=rtpmap:"+payloadType+" ") {
			out.WriteString("a=rtpmap:" + payloadType + " " + Unusable + "type" + payloadType + "/90000\r\n")
		}
	}
	return out.String()
}

// withMode gives H264 its packetization mode.
func withMode(section string) string {
	payloadType := ""
	for line := range strings.Lines(section) {
		line, found := strings.CutPrefix(line, "a=rtpmap:")
		if number, codec, _ := strings.Cut(line, " "); found && strings.HasPrefix(strings.ToUpper(strings.TrimLeft(codec, " ")), "H264/") {
			payloadType = number
		}
	}
	if payloadType == "" || strings.Contains(section, "packetization-mode=1") {
		return section
	}
	var out strings.Builder
	described := false
	for line := range strings.Lines(section) {
		if parameters, found := strings.CutPrefix(line, "a=fmtp:"+payloadType+" "); found {
			described = true
			parameters = strings.ReplaceAll(parameters, "packetization-mode=0", "")
			line = "a=fmtp:" + payloadType + " packetization-mode=1;" + parameters
		}
		out.WriteString(line)
	}
	if !described {
		out.WriteString("a=fmtp:" + payloadType + " packetization-mode=1\r\n")
	}
	return out.String()
}
