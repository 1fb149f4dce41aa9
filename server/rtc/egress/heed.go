package egress

import (
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/feedback"
)

// Statistics returns what is known of the path to the viewer; it is at most a
// second old. It may be called from anywhere.
func (v *Viewer) Statistics() feedback.Statistics { return v.flow.Statistics() }

// heed is what the shard does about a viewer's feedback.
func (s *shard) heed(v *Viewer) {
	s.grant(v) // takes the wishes
	now := time.Now().UnixNano()
	news := &v.wishes.told
	news.each(func(b []byte) {
		if err := v.flow.Acknowledge(b, now); err != nil {
			s.engine.count.badRTCP.Inc()
		}
	})
	l := v.judged()
	if r := news.reports[l.kind]; !r.Came.IsZero() {
		v.flow.Reported(r, l.lag(r), l.codec.ClockRate)
	}
	v.flow.Show()
}

// judged returns the lane by which a viewer is judged: its video if it has any.
func (v *Viewer) judged() *lane {
	if l := v.lane(media.Video); l != nil {
		return l
	}
	return v.lanes[0]
}

// lag returns by how much a viewer was behind when it sent a report: the age of
// the first packet that it had not got. What was history when the lane began was
// sent with the first packet that was not.
func (l *lane) lag(r feedback.Report) time.Duration {
	if l.track == nil || l.waiting {
		return 0
	}
	seq, ok := l.numbers.In(r.Highest)
	if !ok {
		return 0
	}
	ring := l.track.Ring()
	for seq = max(seq+1, l.stretch.first, l.stretch.live, ring.Tail()); seq < l.next; seq++ {
		if p := ring.Get(seq); p != nil {
			return time.Duration(r.Came.UnixNano() - p.Arrival)
		}
	}
	return 0
}
