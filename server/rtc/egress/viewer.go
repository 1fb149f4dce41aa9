package egress

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/feedback"
	"github.com/heliograph/heliograph/server/rtc/handshake"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/heliograph/heliograph/server/rtc/seal"
)

// cname is the canonical name of all we send (RFC 3550 section 6.5.1): it binds
// a stream's audio to its video.
const cname = "heliograph"

// keepFor is how long after it was last heard a viewer keeps its address from
// others: clients check at least every 6 s (RFC 7675 section 5.1), and one check
// may get lost.
const keepFor = 15 * time.Second

// Viewer is one WebRTC client that is sent one stream.
type Viewer struct {
	// set at construction
	engine  *Engine
	shard   *shard
	sub     *hub.Subscription
	dtls    *handshake.Association
	session int64   // number in the SDP's o= line
	lanes   []*lane // what they hold is owned by the shard
	created time.Time
	done    chan struct{}
	ice     *lite.Agent

	// owned by the shard
	out  *seal.Sealer
	flow feedback.Flow

	// guarded by mu
	mu       sync.Mutex
	restarts int // of ICE that an offer asked for
	reason   error
	endings  []func() // what AfterEnd was given

	// guard themselves
	in     inbound
	wishes wishes

	// atomic
	to       atomic.Pointer[netip.AddrPort] // where to send; nil until the first check
	lastTime atomic.Int64                   // when the viewer was last heard, ns since created; 0 for never
}

func newViewer(e *Engine, sub *hub.Subscription, o *offer.Offer) *Viewer {
	v := &Viewer{
		engine: e, sub: sub, session: rand.Int64N(1 << 62),
		created: time.Now(), done: make(chan struct{}),
	}
	v.dtls = e.desk.Open(v, o.Fingerprint)
	for _, s := range o.Sections {
		if !s.Refused() {
			v.lanes = append(v.lanes, newLane(s))
		}
	}
	// Video first: a train of its equal packets may end with a shorter one of audio.
	slices.SortFunc(v.lanes, func(a, b *lane) int { return int(b.kind) - int(a.kind) })
	if len(v.lanes) > 0 {
		v.numberPath()
	}
	return v
}

// numberPath settles which lanes have transport-wide numbers: those with the
// video's id, or the audio's if there is no video. Firefox has them for video
// alone. A viewer who could be repeated a packet only as it was sent gets none,
// for it would have another number the second time.
func (v *Viewer) numberPath() {
	lead := v.lanes[0] // video, if there is any
	id := lead.transportID
	if lead.kind == media.Video && !lead.repairs() {
		id = 0
	}
	for _, l := range v.lanes {
		if l.transportID != id {
			l.transportID = 0
		}
	}
	if id != 0 {
		v.flow.Track()
	}
}

// lane returns the viewer's lane of a kind, nil when it has none.
func (v *Viewer) lane(k media.Kind) *lane {
	for _, l := range v.lanes {
		if l.kind == k {
			return l
		}
	}
	return nil
}

func (v *Viewer) answer(o *offer.Offer, c lite.Credentials, version int) string {
	a := answerer{
		viewer: v, candidates: v.engine.port.Candidates(), hash: v.engine.desk.Fingerprint(),
		sessionID: v.session, version: version,
	}
	return a.write(o, c)
}

// Restart answers the offer of an ICE restart (RFC 8445 section 9). Media go on
// over the old path until the client has proved a new one. It returns
// handshake.ErrFingerprint for the offer of another client.
func (v *Viewer) Restart(o *offer.Offer) (answer string, err error) {
	if o.Fingerprint != v.dtls.Fingerprint() {
		return "", handshake.ErrFingerprint
	}
	c, err := v.RestartICE(lite.Credentials{Ufrag: o.Ufrag, Password: o.Password})
	if err != nil {
		return "", err
	}
	v.mu.Lock()
	v.restarts++
	version := v.restarts
	v.mu.Unlock()
	return v.answer(o, c, version), nil
}

// RestartICE is Restart for a client that sends no offer but its new credentials:
// it returns the new credentials.
func (v *Viewer) RestartICE(client lite.Credentials) (lite.Credentials, error) {
	c, err := v.ice.Restart(client)
	if reason := v.Reason(); reason != nil {
		return c, reason
	}
	return c, err
}

// Receive takes a datagram of this viewer from the port.
func (v *Viewer) Receive(b []byte, from netip.AddrPort) {
	switch {
	case len(b) < 2:
	case b[0] < 4:
		switch v.ice.Check(b, from) {
		case lite.Forged:
			v.engine.count.badChecks.Inc()
		case lite.Here:
			v.heard(from, time.Now())
		}
	case b[0] >= 20 && b[0] < 64:
		v.dtls.Receive(b, v.engine.port.Remote(from)) // which counts handshakes by network
	case b[0] >= 128 && b[0] < 192 && b[1] >= 192 && b[1] < 224: // RFC 5761 section 4
		if v.feedback(b) {
			v.heard(from, time.Now())
		}
	}
}

// Moved implements lite.Owner.
func (v *Viewer) Moved(to netip.AddrPort) {
	if !to.IsValid() {
		v.to.Store(nil)
		return
	}
	v.to.Store(&to)
	v.shard.post(v, (*shard).moved)
}

// heard notes that something authentic came, which is the viewer's consent to
// go on if it is from where it is sent to.
func (v *Viewer) heard(from netip.AddrPort, now time.Time) {
	switch to := v.to.Load(); {
	case to != nil && *to == from:
	case to == nil && v.ice.At(from):
		v.ice.Resume()
	default:
		return
	}
	v.lastTime.Store(int64(now.Sub(v.created))) // by a clock that nobody sets
}

// expire stops sending to a viewer that is not heard, and in the end closes it:
// until then it may come back, by another way perhaps.
func (v *Viewer) expire(now time.Time) {
	if !v.Connected() {
		if now.Sub(v.created) > connectTimeout {
			v.Close(ErrUnconnected)
		}
		return
	}
	switch silence := now.Sub(v.created) - time.Duration(v.lastTime.Load()); {
	case silence > lite.Patience:
		v.Close(ErrLost)
	case silence > lite.Consent:
		v.ice.Lapse()
	case silence < keepFor:
		v.ice.Keep()
	}
}

// tracksChanged makes the shard look at the stream's tracks again.
func (v *Viewer) tracksChanged() { v.shard.post(v, (*shard).retrack) }

// Connected tells whether the viewer's DTLS handshake has succeeded.
func (v *Viewer) Connected() bool { return v.dtls.Connected() }

// Done is closed when the viewer has ended; Reason then says why.
func (v *Viewer) Done() <-chan struct{} { return v.done }

// AfterEnd has f called, once and on a goroutine of its own, when the viewer
// has ended; at once when it has already.
func (v *Viewer) AfterEnd(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.done:
		go f()
	default:
		v.endings = append(v.endings, f)
	}
}

// Reason returns why the viewer ended, nil while it lasts.
func (v *Viewer) Reason() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reason
}

// Close ends the viewer: sending stops, its addresses are forgotten and DTLS
// says goodbye. It may be called twice and from anywhere.
func (v *Viewer) Close(reason error) {
	v.mu.Lock()
	if v.reason != nil {
		v.mu.Unlock()
		return
	}
	v.reason = reason
	v.mu.Unlock()

	v.shard.post(v, (*shard).remove)
	v.dtls.Close()
	v.ice.Close()
	v.engine.forget(v)
	v.sub.Close(reason)
	v.mu.Lock()
	defer v.mu.Unlock()
	close(v.done)
	for _, f := range v.endings {
		go f()
	}
}
