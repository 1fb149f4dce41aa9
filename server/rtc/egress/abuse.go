package egress

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/metric"
)

// ErrAbusive ends a viewer whose feedback stayed far above any player's.
var ErrAbusive = errors.New("the viewer sent far more feedback than any player needs")

// rate is how many of something may come: burst at once, perSecond after that.
type rate struct{ perSecond, burst float64 }

// What one viewer's feedback may be. Browsers send 10 to 30 packets a second,
// some more when much is lost.
func feedbackRate() rate { return rate{200, 200} }

// forgedRate is for packets that fail authentication, each of which costs a
// decryption. Nobody sends such but forgers.
func forgedRate() rate { return rate{400, 400} }

// keyframeRate is for keyframe requests: more help nobody, since the track
// merges those of all viewers to two a second.
func keyframeRate() rate { return rate{0.5, 3} }

// bucket holds what may still come. The zero bucket is full.
type bucket struct {
	spent float64
	last  time.Time
}

// left returns how many there are at time now.
func (b *bucket) left(r rate, now time.Time) float64 {
	if past := now.Sub(b.last); past > 0 {
		b.spent = max(0, b.spent-past.Seconds()*r.perSecond)
		b.last = now
	}
	return r.burst - b.spent
}

// take takes one if there is one.
func (b *bucket) take(r rate, now time.Time) bool {
	if b.left(r, now) < 1 {
		return false
	}
	b.spent++
	return true
}

// What makes a second hostile: ten times what a player sends at its worst, a
// browser that cannot decode asks for five keyframes a second and names each of
// a thousand lost packets ten times. A viewer is closed after ten such seconds
// in a row.
const (
	hostilePackets   = 2000
	hostileKeyframes = 50
	hostileLost      = 20_000
	hostileSeconds   = 10
)

// demand is what feedback asks for.
type demand struct{ packets, keyframes, lost int }

// conduct judges a viewer by what it proved to have sent. What fails
// authentication is not in it: whoever forges a viewer's address could
// otherwise have it thrown out.
type conduct struct {
	second  int64 // that is counted now, unix
	sum     demand
	hostile int // seconds in a row before this one
	told    bool
}

// abusive counts what came and tells, once, that it is enough.
func (c *conduct) abusive(d demand, now time.Time) bool {
	if second := now.Unix(); second != c.second {
		if c.bad() && second == c.second+1 {
			c.hostile++
		} else {
			c.hostile = 0
		}
		c.second, c.sum = second, demand{}
	}
	c.sum.packets += d.packets
	c.sum.keyframes += d.keyframes
	c.sum.lost += d.lost
	if c.told || c.hostile < hostileSeconds {
		return false
	}
	c.told = true
	return true
}

func (c *conduct) bad() bool {
	return c.sum.packets > hostilePackets || c.sum.keyframes > hostileKeyframes || c.sum.lost > hostileLost
}

// Why feedback of viewers is dropped.
const (
	dropFlood     = iota // more packets than a player sends
	dropForged           // while many failed authentication
	dropKeyframes        // requests for keyframes beyond a viewer's share
	dropLost             // packets asked for again, beyond what is taken at once
	dropCauses
)

// drops counts what was dropped, by cause.
type drops [dropCauses]atomic.Uint64

func newDrops(r *metric.Registry) *drops {
	d := &drops{}
	r.CounterVecFunc("heliograph_egress_feedback_dropped_total", "What viewers asked for beyond their bounds, by cause: packets (flood, forged), keyframe requests, lost packets.",
		"cause", func(emit func(string, float64)) {
			for i, cause := range []string{"flood", "forged", "keyframes", "lost"} {
				emit(cause, float64(d[i].Load()))
			}
		})
	return d
}

func (d *drops) add(cause, n int) { d[cause].Add(uint64(n)) }
