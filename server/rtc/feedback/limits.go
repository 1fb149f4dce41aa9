package feedback

import (
	"errors"
	"time"
)

// Why a packet is not worth a decryption.
var (
	ErrFlood  = errors.New("too many RTCP packets")
	ErrForged = errors.New("too many RTCP packets that fail authentication")
)

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

// Demand is what a viewer proved to have sent: RTCP packets, and in them requests
// for keyframes and packets named as lost.
type Demand struct{ Packets, Keyframes, Lost int }

// Gate bounds what the RTCP of one viewer costs, and judges the viewer by it. The
// zero Gate is open.
type Gate struct {
	genuine   bucket // packets that proved authentic
	forged    bucket // packets that did not
	keyframes bucket
	conduct   conduct
}

// Admit decides whether a packet is worth a decryption; known tells that its
// SSRC is one of the viewer's. It returns ErrFlood or ErrForged for one that is
// not. Whoever forges the viewer's address without having seen its packets does
// not know their SSRC either: such packets leave half of the bound to those of
// SSRCs that are known, and so never keep the viewer's own from being heard.
func (g *Gate) Admit(known bool, now time.Time) error {
	left := g.forged.left(forgedRate(), now)
	if left < 1 || !known && left < forgedRate().burst/2 {
		return ErrForged
	}
	if g.genuine.left(feedbackRate(), now) < 1 {
		return ErrFlood
	}
	return nil
}

// Opened notes whether an admitted packet was authentic.
func (g *Gate) Opened(authentic bool) {
	if authentic {
		g.genuine.spent++
	} else {
		g.forged.spent++
	}
}

// Judge takes what an authentic packet asks for: it tells whether a keyframe is
// to be asked for and, once, that the viewer has asked for far too much for too
// long.
func (g *Gate) Judge(d Demand, now time.Time) (keyframe, abusive bool) {
	keyframe = d.Keyframes > 0 && g.keyframes.take(keyframeRate(), now)
	return keyframe, g.conduct.abusive(d, now)
}

// conduct judges a viewer by what it proved to have sent. What fails
// authentication is not in it: whoever forges a viewer's address could
// otherwise have it thrown out.
type conduct struct {
	second  int64 // that is counted now, unix
	sum     Demand
	hostile int // seconds in a row before this one
	told    bool
}

// abusive counts what came and tells, once, that it is enough.
func (c *conduct) abusive(d Demand, now time.Time) bool {
	if second := now.Unix(); second != c.second {
		if c.bad() && second == c.second+1 {
			c.hostile++
		} else {
			c.hostile = 0
		}
		c.second, c.sum = second, Demand{}
	}
	c.sum.Packets += d.Packets
	c.sum.Keyframes += d.Keyframes
	c.sum.Lost += d.Lost
	if c.told || c.hostile < hostileSeconds {
		return false
	}
	c.told = true
	return true
}

func (c *conduct) bad() bool {
	return c.sum.Packets > hostilePackets || c.sum.Keyframes > hostileKeyframes || c.sum.Lost > hostileLost
}
