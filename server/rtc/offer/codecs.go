package offer

import (
	"slices"
	"strconv"
	"strings"
	"unique"

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

// Codec is one payload type of an offer, with its RTX if it has one. Its
// strings are shared among all offers that have the same: most clients of a
// server are a few browsers.
type Codec struct {
	Payload     uint8
	Codec       media.Codec
	RTX         uint8  // payload type of its retransmissions, 0 for none
	RTXFmtp     string // as offered
	NACK        bool   // the offer takes requests to send again
	TransportCC bool   // the offer takes transport-wide feedback
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
	f := readFormats(m)
	list := make([]Codec, 0, len(m.MediaName.Formats))
	for _, format := range m.MediaName.Formats {
		payload, err := strconv.ParseUint(format, 10, 7)
		if err != nil {
			continue
		}
		mapping := f.maps[format]
		if mapping == "" {
			mapping = staticMap(format)
		}
		codec, ok := readCodec(kind, mapping, f.fmtps[format])
		if !ok || slices.ContainsFunc(list, func(c Codec) bool { return c.Payload == uint8(payload) }) {
			continue
		}
		c := Codec{Payload: uint8(payload), Codec: codec}
		if rtx, ok := f.repairs[format]; ok {
			c.RTX, c.RTXFmtp = rtx.payload, unique.Make(rtx.fmtp).Value()
		}
		c.NACK = f.takes(format, "nack")
		c.TransportCC = f.takes(format, "transport-cc")
		list = append(list, c)
	}
	return slices.Clip(list)
}

// formats are the attributes of a section's payload types.
type formats struct {
	maps     map[string]string // rtpmap
	fmtps    map[string]string
	feedback map[string]struct{} // "96 nack", "* nack"
	repairs  map[string]repair   // by the payload type that they repair
}

// repair is a payload type for retransmissions (RFC 4588).
type repair struct {
	payload uint8
	fmtp    string
}

func readFormats(m *sdp.MediaDescription) formats {
	f := formats{map[string]string{}, map[string]string{}, map[string]struct{}{}, map[string]repair{}}
	for _, a := range m.Attributes {
		if a.Key == "rtcp-fb" {
			f.feedback[a.Value] = struct{}{}
			continue
		}
		format, value, ok := strings.Cut(a.Value, " ")
		if !ok {
			continue
		}
		switch a.Key {
		case "rtpmap":
			f.maps[format] = strings.TrimSpace(value)
		case "fmtp":
			f.fmtps[format] = strings.TrimSpace(value)
		}
	}
	for _, format := range m.MediaName.Formats {
		name, _, _ := strings.Cut(f.maps[format], "/")
		of, ok := Parameter(f.fmtps[format], "apt")
		n, err := strconv.ParseUint(format, 10, 7)
		if !strings.EqualFold(name, "rtx") || !ok || err != nil || n == 0 {
			continue
		}
		if _, taken := f.repairs[of]; !taken {
			f.repairs[of] = repair{uint8(n), f.fmtps[format]}
		}
	}
	return f
}

// takes tells whether a format, or every one, has a kind of feedback (RFC 4585
// section 4.2).
func (f *formats) takes(format, feedback string) bool {
	_, one := f.feedback[format+" "+feedback]
	_, all := f.feedback["* "+feedback]
	return one || all
}

// Parameter returns one parameter of "key=value;key=value".
func Parameter(fmtp, key string) (value string, ok bool) {
	for part := range strings.SplitSeq(fmtp, ";") {
		if k, v, found := strings.Cut(strings.TrimSpace(part), "="); found && strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
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
		if mode, _ := Parameter(fmtp, "packetization-mode"); k.name == media.H264 && mode != "1" {
			return c, false
		}
		c = media.Codec{Name: k.name, ClockRate: k.clock, Fmtp: unique.Make(fmtp).Value()}
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
