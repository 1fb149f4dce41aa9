package offer

import (
	"slices"
	"strconv"
	"strings"

	"github.com/pion/sdp/v3"

	"github.com/heliograph/heliograph/server/media"
)

// streamCodec is a codec that a stream can have, with its RTP clock rate.
type streamCodec struct {
	kind  media.Kind
	name  string
	clock uint32
}

func streamCodecs() []streamCodec {
	return []streamCodec{
		{media.Video, media.H264, 90000},
		{media.Video, media.VP8, 90000},
		{media.Video, media.VP9, 90000},
		{media.Video, media.AV1, 90000},
		{media.Video, media.H265, 90000},
		{media.Audio, media.Opus, 48000},
		{media.Audio, media.G722, 8000}, // RFC 3551 section 4.5.2: 8000 by an old mistake
		{media.Audio, media.PCMU, 8000},
		{media.Audio, media.PCMA, 8000},
	}
}

func knownCodecs(k media.Kind) string {
	var names []string
	for _, c := range streamCodecs() {
		if c.kind == k {
			names = append(names, c.name)
		}
	}
	return strings.Join(names, ", ")
}

// Codec is one payload type of an offer, with its RTX if it has one.
type Codec struct {
	Payload uint8
	Codec   media.Codec
	RTX     uint8  // payload type of its retransmissions, if RTXFmtp is not ""
	RTXFmtp string // as offered
	NACK    bool   // the offer takes requests to send again
}

// staticMap returns the rtpmap of payload types that need none (RFC 3551
// section 6).
func staticMap(format string) string {
	switch format {
	case "0":
		return "PCMU/8000"
	case "8":
		return "PCMA/8000"
	case "9":
		return "G722/8000"
	}
	return ""
}

// readCodecs lists the payload types of an m-section that this server knows,
// in the offer's order of preference.
func readCodecs(m *sdp.MediaDescription, kind media.Kind) []Codec {
	maps, fmtps := formatLines(m)
	var list []Codec
	for _, format := range m.MediaName.Formats {
		payload, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		mapping := maps[format]
		if mapping == "" {
			mapping = staticMap(format)
		}
		codec, ok := readCodec(kind, mapping, fmtps[format])
		if !ok || slices.ContainsFunc(list, func(c Codec) bool { return c.Payload == uint8(payload) }) {
			continue
		}
		c := Codec{Payload: uint8(payload), Codec: codec}
		c.RTX, c.RTXFmtp = findRTX(m, maps, fmtps, format)
		c.NACK = hasNACK(m, format)
		list = append(list, c)
	}
	return list
}

// formatLines returns the rtpmap and fmtp values by payload type.
func formatLines(m *sdp.MediaDescription) (maps, fmtps map[string]string) {
	maps, fmtps = map[string]string{}, map[string]string{}
	for _, a := range m.Attributes {
		format, value, ok := strings.Cut(a.Value, " ")
		if !ok {
			continue
		}
		switch a.Key {
		case "rtpmap":
			maps[format] = strings.TrimSpace(value)
		case "fmtp":
			fmtps[format] = strings.TrimSpace(value)
		}
	}
	return maps, fmtps
}

// readCodec reads "name/clock[/channels]".
func readCodec(kind media.Kind, mapping, fmtp string) (c media.Codec, ok bool) {
	parts := strings.Split(mapping, "/")
	if len(parts) < 2 {
		return c, false
	}
	for _, k := range streamCodecs() {
		if k.kind != kind || !strings.EqualFold(k.name, parts[0]) || strconv.Itoa(int(k.clock)) != parts[1] {
			continue
		}
		// Without packetization-mode 1 a frame cannot be cut into packets
		// (RFC 6184 section 6.2), and viewers are offered only that mode.
		if k.name == media.H264 && !strings.Contains(fmtp, "packetization-mode=1") {
			return c, false
		}
		c = media.Codec{Name: k.name, ClockRate: k.clock, Fmtp: fmtp}
		if len(parts) > 2 && kind == media.Audio {
			n, err := strconv.ParseUint(parts[2], 10, 4)
			if err != nil {
				return c, false
			}
			c.Channels = uint16(n)
		}
		if k.name == media.Opus && c.Channels != 2 { // RFC 7587 section 7: always 2
			return c, false
		}
		return c, true
	}
	return c, false
}

// hasNACK tells whether a format, or every one, has generic NACK (RFC 4585
// section 4.2).
func hasNACK(m *sdp.MediaDescription, format string) bool {
	return slices.ContainsFunc(m.Attributes, func(a sdp.Attribute) bool {
		return a.Key == "rtcp-fb" && (a.Value == format+" nack" || a.Value == "* nack")
	})
}

// findRTX finds the retransmission payload type of a format (RFC 4588).
func findRTX(m *sdp.MediaDescription, maps, fmtps map[string]string, format string) (uint8, string) {
	for _, f := range m.MediaName.Formats {
		name, _, _ := strings.Cut(maps[f], "/")
		if !strings.EqualFold(name, "rtx") {
			continue
		}
		for p := range strings.SplitSeq(fmtps[f], ";") {
			if strings.TrimSpace(p) != "apt="+format {
				continue
			}
			if n, err := strconv.ParseUint(f, 10, 7); err == nil {
				return uint8(n), fmtps[f]
			}
		}
	}
	return 0, ""
}
