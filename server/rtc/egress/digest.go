package egress

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/rtcp"
)

var errRTCP = errors.New("RTCP that makes no sense")

// digest reads a compound RTCP packet in place and allocates nothing for it. It
// keeps what the shard has to know in the viewer's wishes and returns what is
// asked for. What is not known, and goodbyes, are passed over: a viewer ends by
// DTLS, which cannot be meant for one of its media only.
func (v *Viewer) digest(b []byte, now time.Time) (d demand, err error) {
	for len(b) > 0 {
		h, body, rest, err := cut(b)
		if err != nil {
			return d, err
		}
		b = rest
		switch h.Type {
		case rtcp.TypeSenderReport:
			if len(body) < 24 {
				return d, errRTCP
			}
			err = v.reports(body[24:], h.Count, now)
		case rtcp.TypeReceiverReport:
			if len(body) < 4 {
				return d, errRTCP
			}
			err = v.reports(body[4:], h.Count, now)
		case rtcp.TypeTransportSpecificFeedback, rtcp.TypePayloadSpecificFeedback:
			if len(body) < 8 {
				return d, errRTCP
			}
			d.add(v.feedbackOf(h, body))
		}
		if err != nil {
			return d, err
		}
	}
	return d, nil
}

// cut takes the first packet off a compound (RFC 3550 section 6.4.1): its
// header, what is in it without padding, and the rest.
func cut(b []byte) (h rtcp.Header, body, rest []byte, err error) {
	if err := h.Unmarshal(b); err != nil {
		return h, nil, nil, errRTCP
	}
	size := 4 * (int(h.Length) + 1)
	if size > len(b) {
		return h, nil, nil, errRTCP
	}
	body, rest = b[4:size], b[size:]
	if h.Padding {
		if len(body) == 0 || body[len(body)-1] == 0 || int(body[len(body)-1]) > len(body) {
			return h, nil, nil, errRTCP
		}
		body = body[:len(body)-int(body[len(body)-1])]
	}
	return h, body, rest, nil
}

// feedbackOf takes one feedback message (RFC 4585 section 6.1): body begins
// with the SSRCs of who sends it and of what it is about.
func (v *Viewer) feedbackOf(h rtcp.Header, body []byte) (d demand) {
	switch {
	case h.Type == rtcp.TypePayloadSpecificFeedback && (h.Count == rtcp.FormatPLI || h.Count == rtcp.FormatFIR):
		d.keyframes = 1
	case h.Type == rtcp.TypePayloadSpecificFeedback:
	case h.Count == rtcp.FormatTLN:
		named, taken := v.wishes.packets(binary.BigEndian.Uint32(body[4:]), body[8:])
		v.engine.count.nacked.Add(uint64(taken))
		v.engine.count.dropped.add(dropLost, named-taken)
		d.lost = named
	case h.Count == rtcp.FormatTCC:
		v.wishes.feedback(body)
	}
	return d
}

func (d *demand) add(more demand) {
	d.keyframes += more.keyframes
	d.lost += more.lost
}

// report is what a viewer says of one lane (RFC 3550 section 6.4.1).
type report struct {
	came    time.Time
	lost    uint8  // of 256, since the report before
	highest uint16 // number that has arrived
	jitter  uint32 // of the codec's clock
	lsr     uint32 // middle of the NTP time of our last sender report, 0 for none
	dlsr    uint32 // since that came, in 1/65,536 s
}

const reportSize = 24

// reports takes report blocks; those of SSRCs for retransmission say nothing.
func (v *Viewer) reports(b []byte, count uint8, now time.Time) error {
	if len(b) < int(count)*reportSize {
		return errRTCP
	}
	for ; count > 0; count, b = count-1, b[reportSize:] {
		ssrc := binary.BigEndian.Uint32(b)
		for _, l := range v.lanes {
			if l.ssrc == ssrc {
				v.wishes.report(l.kind, report{
					came: now, lost: b[4], highest: binary.BigEndian.Uint16(b[10:]),
					jitter: binary.BigEndian.Uint32(b[12:]), lsr: binary.BigEndian.Uint32(b[16:]),
					dlsr: binary.BigEndian.Uint32(b[20:]),
				})
			}
		}
	}
	return nil
}

// mostTrip is the longest round trip that is believed.
const mostTrip = 30 * time.Second

// roundTrip returns the time to the viewer and back; ok is false when the
// report does not tell, or nonsense.
func (r report) roundTrip() (trip time.Duration, ok bool) {
	if r.lsr == 0 {
		return 0, false
	}
	units := int64(int32(uint32(ntp(r.came)>>16) - r.lsr - r.dlsr))
	trip = time.Duration(max(units, 0) * int64(time.Second) >> 16) // below 0 by rounding
	return trip, units > -1000 && trip < mostTrip
}

// heed is what the shard does about a viewer's feedback.
func (s *shard) heed(v *Viewer) {
	s.grant(v) // takes the wishes
	now := time.Now()
	news := &v.wishes.told
	news.each(func(b []byte) {
		a, err := parseArrivals(b)
		if err != nil {
			s.engine.count.badRTCP.Inc()
			return
		}
		v.flow.acknowledge(a, now.UnixNano())
	})
	l := v.lane(media.Video)
	if l == nil {
		l = v.lanes[0]
	}
	if r := news.reports[l.kind]; !r.came.IsZero() {
		v.flow.reported(l.lag(r), r.lost)
		v.flow.showReport(r, l.codec.ClockRate)
	}
	v.flow.show(now.UnixNano())
}

// lag returns by how much a viewer was behind when it sent a report: the age of
// the first packet that it had not got. What was history when the lane began was
// sent with the first packet that was not.
func (l *lane) lag(r report) time.Duration {
	if l.track == nil || l.waiting {
		return 0
	}
	seq, ok := l.numbers.In(r.highest)
	if !ok {
		return 0
	}
	ring := l.track.Ring()
	for seq = max(seq+1, l.stretch.first, l.stretch.live, ring.Tail()); seq < l.next; seq++ {
		if p := ring.Get(seq); p != nil {
			return time.Duration(r.came.UnixNano() - p.Arrival)
		}
	}
	return 0
}
