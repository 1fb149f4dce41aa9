package egress

import (
	"encoding/hex"
	"strings"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// payload is a codec that the viewer can receive.
type payload struct {
	codec media.Codec
	pt    uint8
	rtx   uint8 // payload type of its retransmissions (RFC 4588), 0 for none
	nack  bool
}

// payloadsOf keeps what a lane needs of an m-section.
func payloadsOf(s offer.Section) []payload {
	list := make([]payload, len(s.Codecs))
	for i, c := range s.Codecs {
		list[i] = payload{codec: c.Codec, pt: c.Payload, rtx: c.RTX, nack: c.NACK}
	}
	return list
}

// match returns the viewer's payload type for a stream's codec: one of the
// same profile, or for H264 the nearest, since every decoder in use plays all
// profiles up to the one it names.
func match(list []payload, c media.Codec) (payload, bool) {
	best, score := payload{}, 0
	for _, p := range list {
		if s := likeness(p.codec, c); s > score {
			best, score = p, s
		}
	}
	return best, score > 0
}

// likeness is 0 for codecs that do not go together, larger the better.
func likeness(viewer, stream media.Codec) int {
	if viewer.Name != stream.Name || viewer.ClockRate != stream.ClockRate {
		return 0
	}
	switch stream.Name {
	case media.H264:
		return 1 + h264Likeness(profileOf(viewer.Fmtp), profileOf(stream.Fmtp))
	case media.VP9:
		return sameOr(viewer.Fmtp, stream.Fmtp, "profile-id", "0")
	case media.AV1:
		return sameOr(viewer.Fmtp, stream.Fmtp, "profile", "0")
	}
	return 1
}

// profileOf returns profile-level-id, by default the one of RFC 6184 section
// 8.1.
func profileOf(fmtp string) string {
	if id, ok := offer.Parameter(fmtp, "profile-level-id"); ok && len(id) == 6 {
		if _, err := hex.DecodeString(id); err == nil { // else its length in lower case is anybody's guess
			return strings.ToLower(id)
		}
	}
	return "42000a"
}

func h264Likeness(viewer, stream string) int {
	switch {
	case viewer[:4] == stream[:4]:
		return 2
	case viewer[:2] == stream[:2]:
		return 1
	}
	return 0
}

// sameOr is 1 when both parameters are alike, with a default for one that is
// not given, else 0.
func sameOr(a, b, key, otherwise string) int {
	get := func(fmtp string) string {
		if v, ok := offer.Parameter(fmtp, key); ok {
			return v
		}
		return otherwise
	}
	if get(a) == get(b) {
		return 1
	}
	return 0
}
