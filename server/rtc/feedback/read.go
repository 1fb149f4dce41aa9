package feedback

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/rtcp"
)

// ErrMalformed says that RTCP makes no sense. What was read before is kept.
var ErrMalformed = errors.New("malformed RTCP")

// Kind is what a message is about.
type Kind uint8

// Kinds of messages.
const (
	Keyframe Kind = iota + 1 // a request for a keyframe: PLI (RFC 4585 section 6.3.1) or FIR (RFC 5104 section 4.3.1)
	Lost                     // packets asked for again: a NACK; Body holds its pairs of four bytes (RFC 4585 section 6.2.1)
	Numbered                 // transport-wide feedback; Body is for Flow.Acknowledge
	Block                    // one block of a receiver or sender report (RFC 3550 section 6.4.1); Body is for ReadReport
)

// Message is one thing that a viewer says. Body refers to what was read.
type Message struct {
	Kind Kind
	SSRC uint32 // of the media it is about
	Body []byte
}

// Read calls f with what a compound RTCP packet says (RFC 3550 section 6.1). It
// passes over what is not of these kinds, goodbyes too. It returns ErrMalformed
// at the first packet that makes no sense.
func Read(b []byte, f func(Message)) error {
	for len(b) > 0 {
		h, body, rest, err := cut(b)
		if err != nil {
			return err
		}
		b = rest
		switch h.Type {
		case rtcp.TypeSenderReport:
			err = readBlocks(body, 4+20, h.Count, f)
		case rtcp.TypeReceiverReport:
			err = readBlocks(body, 4, h.Count, f)
		case rtcp.TypeTransportSpecificFeedback, rtcp.TypePayloadSpecificFeedback:
			err = readFeedback(h, body, f)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// cut takes the first packet off a compound (RFC 3550 section 6.4.1): its
// header, what is in it without padding, and the rest.
func cut(b []byte) (h rtcp.Header, body, rest []byte, err error) {
	if err := h.Unmarshal(b); err != nil {
		return h, nil, nil, ErrMalformed
	}
	size := 4 * (int(h.Length) + 1)
	if size > len(b) {
		return h, nil, nil, ErrMalformed
	}
	body, rest = b[4:size], b[size:]
	if h.Padding {
		if len(body) == 0 || body[len(body)-1] == 0 || int(body[len(body)-1]) > len(body) {
			return h, nil, nil, ErrMalformed
		}
		body = body[:len(body)-int(body[len(body)-1])]
	}
	return h, body, rest, nil
}

// readFeedback reads one feedback message (RFC 4585 section 6.1): body begins
// with the SSRCs of who sends it and of what it is about.
func readFeedback(h rtcp.Header, body []byte, f func(Message)) error {
	if len(body) < 8 {
		return ErrMalformed
	}
	m := Message{SSRC: binary.BigEndian.Uint32(body[4:]), Body: body}
	switch {
	case h.Type == rtcp.TypePayloadSpecificFeedback && (h.Count == rtcp.FormatPLI || h.Count == rtcp.FormatFIR):
		m.Kind = Keyframe
	case h.Type == rtcp.TypePayloadSpecificFeedback:
		return nil
	case h.Count == rtcp.FormatTLN:
		m.Kind, m.Body = Lost, body[8:]
	case h.Count == rtcp.FormatTCC:
		m.Kind = Numbered
	default:
		return nil
	}
	f(m)
	return nil
}

const blockSize = 24

func readBlocks(body []byte, skip int, count uint8, f func(Message)) error {
	if len(body) < skip+int(count)*blockSize {
		return ErrMalformed
	}
	for b := body[skip:]; count > 0; count, b = count-1, b[blockSize:] {
		f(Message{Kind: Block, SSRC: binary.BigEndian.Uint32(b), Body: b[:blockSize]})
	}
	return nil
}

// Report is what a viewer says of one SSRC (RFC 3550 section 6.4.1). The zero
// Report is none.
type Report struct {
	Came    time.Time // when we got it
	Lost    uint8     // share of packets since the report before, of 256
	Highest uint16    // number that has arrived
	Jitter  uint32    // in units of the codec's clock

	lsr  uint32 // middle of the NTP time of our last sender report, 0 for none
	dlsr uint32 // since that came, in 1/65,536 s
}

// ReadReport reads the body of a Block.
func ReadReport(body []byte, came time.Time) Report {
	return Report{
		Came: came, Lost: body[4], Highest: binary.BigEndian.Uint16(body[10:]), Jitter: binary.BigEndian.Uint32(body[12:]),
		lsr: binary.BigEndian.Uint32(body[16:]), dlsr: binary.BigEndian.Uint32(body[20:]),
	}
}

// mostTrip is the longest round trip that is believed.
const mostTrip = 30 * time.Second

// roundTrip returns the time to the viewer and back; ok is false when the
// report does not tell, or nonsense.
func (r Report) roundTrip() (trip time.Duration, ok bool) {
	if r.lsr == 0 {
		return 0, false
	}
	units := int64(int32(uint32(media.NTP(r.Came)>>16) - r.lsr - r.dlsr))
	trip = time.Duration(max(units, 0) * int64(time.Second) >> 16) // below 0 by rounding
	return trip, units > -1000 && trip < mostTrip
}
