package egress

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/feedback"
)

// feedback takes an SRTCP packet from the viewer. It runs on a reader of the
// port; what it costs is bounded for each viewer. It tells whether the packet
// was authentic.
func (v *Viewer) feedback(b []byte) (ok bool) { return v.feedbackAt(b, time.Now()) }

func (v *Viewer) feedbackAt(b []byte, now time.Time) (ok bool) {
	count := v.engine.count
	plain, sent, err := v.in.open(b, now)
	switch {
	case errors.Is(err, feedback.ErrFlood):
		count.dropped.add(dropFlood, 1)
		return false
	case errors.Is(err, feedback.ErrForged):
		count.dropped.add(dropForged, 1)
		return false
	case err != nil:
		count.badRTCP.Inc()
		return false
	}
	d := v.digest(plain, now)
	d.Packets = sent
	keyframe, abusive := v.in.judge(d, now)
	if abusive {
		go v.Close(ErrAbusive) // a reader of the port waits for nobody
		return true
	}
	count.keyframes.Add(uint64(d.Keyframes))
	if keyframe {
		v.wishes.newKeyframe()
		d.Keyframes = 0
	}
	count.dropped.add(dropKeyframes, d.Keyframes)
	if v.wishes.unheard() {
		v.shard.post(v, (*shard).heed)
	}
	return true
}

// digest keeps what the shard has to know in the viewer's wishes and returns what
// is asked for. Goodbyes are passed over: a viewer ends by DTLS, which cannot be
// meant for one of its media only.
func (v *Viewer) digest(b []byte, now time.Time) (d feedback.Demand) {
	count := v.engine.count
	err := feedback.Read(b, func(m feedback.Message) {
		switch m.Kind {
		case feedback.Keyframe:
			d.Keyframes++
		case feedback.Lost:
			named, taken := v.wishes.packets(m.SSRC, m.Body)
			count.nacked.Add(uint64(taken))
			count.dropped.add(dropLost, named-taken)
			d.Lost += named
		case feedback.Numbered:
			v.wishes.numbered(m.Body)
		case feedback.Block:
			for _, l := range v.lanes {
				if l.ssrc == m.SSRC { // what is said of retransmissions says nothing
					v.wishes.report(l.kind, feedback.ReadReport(m.Body, now))
				}
			}
		}
	})
	if err != nil {
		count.badRTCP.Inc()
	}
	return d
}

// Sender reports leave once a second for each viewer, and for all viewers not
// at once: each is of one of the turns into which the second is cut.
const (
	reportTurns = 16
	reportEvery = time.Second / reportTurns
)

// report sends the viewers whose turn it is a sender report for each of their
// lanes, by which they play audio and video in step (RFC 3550 section 6.4.1).
func (s *shard) report(now time.Time) {
	s.turn = (s.turn + 1) % reportTurns
	scratch := make([]byte, 0, 256) // one for all: it would escape from each call
	for _, g := range s.groups {
		for _, v := range g.viewers {
			if int(v.session%reportTurns) == s.turn { // the session is a random number
				s.reportTo(v, now, scratch)
			}
		}
		if s.turn == 0 {
			g.ready.Store(true) // lanes that wait for a keyframe ask again
		}
	}
}

func (s *shard) reportTo(v *Viewer, now time.Time, scratch []byte) {
	defer s.contain(v)
	to := v.to.Load()
	if to == nil || v.out == nil {
		return
	}
	sealed, segment := scratch[:0], 0
	for _, l := range v.lanes {
		if l.track == nil || l.packets == 0 {
			continue
		}
		stamp, ok := l.track.StampAt(now)
		if !ok {
			continue
		}
		from := len(sealed)
		plain := appendReport(sealed, l, now, stamp)[from:]
		if one, err := v.out.RTCP(plain); err == nil { // in place
			segment = len(one) // of all alike
			sealed = sealed[:from+segment]
		}
	}
	if segment > 0 && s.batch.sender.SendSegments(sealed, segment, *to) != nil {
		s.engine.count.unsent.Inc()
	}
	v.flow.Show()
}

// appendReport appends a sender report and the canonical name that a compound
// packet needs (RFC 3550 section 6.1).
func appendReport(b []byte, l *lane, now time.Time, stamp uint32) []byte {
	const (
		sender, description = 200, 202
		canonical           = 1
		fill                = 4 - (2+len(cname))%4 // an item list ends with 1 to 4 zeros
	)
	b = append(b, 0x80, sender, 0, 6)
	b = binary.BigEndian.AppendUint32(b, l.ssrc)
	b = binary.BigEndian.AppendUint64(b, media.NTP(now))
	b = binary.BigEndian.AppendUint32(b, stamp)
	b = binary.BigEndian.AppendUint32(b, l.packets)
	b = binary.BigEndian.AppendUint32(b, l.octets)
	b = append(b, 0x81, description, 0, byte((4+2+len(cname)+fill)/4))
	b = binary.BigEndian.AppendUint32(b, l.ssrc)
	b = append(b, canonical, byte(len(cname)))
	b = append(b, cname...)
	return append(b, make([]byte, fill)...)
}
