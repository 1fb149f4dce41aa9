package egress

import (
	"runtime/debug"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/seal"
)

const shortest = time.Millisecond // that a shard waits before it looks after paced viewers again

// shard is one goroutine with the viewers it sends to.
type shard struct {
	// set at construction
	engine *Engine
	epoch  time.Time // when the shard's clock began
	wakeup chan struct{}

	// owned by run
	groups  map[*hub.Stream]*group
	batch   batch
	turn    int           // of sender reports
	soonest time.Duration // on the shard's clock: when some paced viewer may be sent more; 0 when there is none

	// guarded by mu
	mu   sync.Mutex
	mail []letter

	// guarded by engine.mu
	load int // viewers
}

// letter is something to be done for a viewer by its shard.
type letter struct {
	viewer *Viewer
	do     func(*shard, *Viewer)
}

// newShard returns a shard that sends by a socket of its own.
func newShard(e *Engine, sender *port.Sender) *shard {
	return &shard{
		engine: e, epoch: time.Now(), wakeup: make(chan struct{}, 1), groups: map[*hub.Stream]*group{},
		batch: batch{sender: sender, count: e.count, slab: make([]byte, slabSize)},
	}
}

func (s *shard) wake() {
	select {
	case s.wakeup <- struct{}{}:
	default:
	}
}

// post has the shard's goroutine do something for a viewer. How many letters
// lie there is bounded by the callers: a viewer's packets must not add one each.
func (s *shard) post(v *Viewer, do func(*shard, *Viewer)) {
	s.mu.Lock()
	s.mail = append(s.mail, letter{v, do})
	s.mu.Unlock()
	s.wake()
}

// run sends until stop is closed.
func (s *shard) run(stop <-chan struct{}) {
	reports := time.NewTicker(reportEvery)
	defer reports.Stop()
	paced := time.NewTimer(time.Hour)
	defer paced.Stop()
	for {
		select {
		case <-stop:
			s.read()
			return
		case <-s.wakeup:
		case <-paced.C:
		case now := <-reports.C:
			s.report(now)
		}
		s.soonest = 0
		s.read()
		for _, g := range s.groups {
			s.serve(g)
		}
		if s.soonest > 0 {
			paced.Reset(s.pause(time.Since(s.epoch)))
		}
	}
}

// pause returns how long to wait for the soonest of the paced viewers. Others
// are due a little later: who waits a moment serves them together. A turn that
// took longer than the pause was one.
func (s *shard) pause(now time.Duration) time.Duration {
	if s.soonest <= now {
		return 0
	}
	return max(s.soonest-now, shortest)
}

// read works off the mail.
func (s *shard) read() {
	s.mu.Lock()
	mail := s.mail
	s.mail = nil
	s.mu.Unlock()
	for _, l := range mail {
		s.open(l)
	}
}

func (s *shard) open(l letter) {
	defer s.contain(l.viewer)
	l.do(s, l.viewer)
}

// contain is deferred around all that is done for one viewer: a fault costs
// that viewer, and no other on this shard or elsewhere.
func (s *shard) contain(v *Viewer) {
	fault := recover()
	if fault == nil {
		return
	}
	s.engine.count.faults.Inc()
	s.engine.log.Error("a fault closed a viewer", "panic", fault, "stack", string(debug.Stack()))
	s.batch.drop()
	go v.Close(ErrFault) // which writes to us
}

// add begins to send to a viewer that has connected.
func (s *shard) add(v *Viewer, out *seal.Sealer) {
	if v.Reason() != nil {
		return
	}
	v.out = out
	stream := v.sub.Stream()
	g := s.groups[stream]
	if g == nil {
		g = &group{shard: s, stream: stream, sinks: map[*hub.Track]func(){}}
		s.groups[stream] = g
	}
	g.viewers = append(g.viewers, v)
	s.retrack(v)
}

func (s *shard) remove(v *Viewer) {
	stream := v.sub.Stream()
	g := s.groups[stream]
	if g == nil || v.out == nil {
		return
	}
	v.out = nil
	for i, w := range g.viewers {
		if w == v {
			last := len(g.viewers) - 1
			g.viewers[i], g.viewers[last] = g.viewers[last], nil
			g.viewers = g.viewers[:last]
			break
		}
	}
	if len(g.viewers) == 0 {
		g.detach()
		delete(s.groups, stream)
		return
	}
	g.stale = true
}

// retrack looks for tracks that are new or have changed their codec, and goes
// on with the viewer. The stream's other viewers are not looked at: what one
// who joins costs does not depend on how many there are.
func (s *shard) retrack(v *Viewer) {
	g := s.groups[v.sub.Stream()]
	if g == nil || v.out == nil {
		return
	}
	lacks := false
	for _, l := range v.lanes {
		before := l.track
		if t := choose(g.stream, l.kind, l.payloads); t != nil {
			g.attach(t)
			l.use(t)
		} else if t := g.stream.Track(l.kind); t != nil {
			l.drop()
			lacks = true
		}
		g.stale = g.stale || before != nil && before != l.track
	}
	if lacks {
		if err := v.unplayable(g.stream); err != nil {
			go v.Close(err)
			return
		}
	}
	s.feed(g, v, time.Now())
}

// serve sends what a stream's viewers have not got yet.
func (s *shard) serve(g *group) {
	now := time.Now()
	if g.stale {
		g.release()
	}
	if fresh := g.ready.Swap(false); !fresh && !g.paced {
		return
	}
	g.paced = false
	for _, v := range g.viewers {
		s.feed(g, v, now)
	}
}

// feed sends what one viewer has not got yet.
func (s *shard) feed(g *group, v *Viewer, now time.Time) {
	defer s.contain(v)
	to := v.to.Load()
	if to == nil || v.out == nil {
		return
	}
	s.batch.begin(v, *to, now)
	if v.flow.Behind(now.UnixNano()) {
		v.flow.Restart()
		s.skip(v, now)
	}
	for _, l := range v.lanes {
		if l.track != nil && !l.mute {
			s.advance(g, l, now)
		}
	}
	if full := !s.batch.flush(); full {
		s.skip(v, now)
	}
}

// skip makes a viewer whose path does not take what is sent wait for the next
// keyframe.
func (s *shard) skip(v *Viewer, now time.Time) {
	s.engine.count.skipped.Inc()
	if l := v.lane(media.Video); l != nil && l.track != nil && !l.waiting {
		l.fellBehind(now)
	}
}

// advance sends one viewer's lane up to the ring's head.
func (s *shard) advance(g *group, l *lane, now time.Time) {
	if l.waiting && !l.begin(now) {
		return
	}
	if l.history.catching {
		l.shorten()
	}
	r := l.track.Ring()
	head := r.Head()
	if l.next < r.Tail() && head-l.next > uint64(maxHoles) {
		s.engine.count.skipped.Inc()
		l.fellBehind(now)
		return
	}
	if len(l.holes) > 0 {
		s.fill(l, r.Tail())
	}
	limit := head
	if l.kind == media.Video { // audio leaves at once
		if l.settle(&s.batch.viewer.flow, now); l.pace.full && l.late(now) {
			s.engine.count.skipped.Inc()
			l.fellBehind(now)
			return
		}
		limit = l.next + s.allow(g, l, now)
	}
	size, until := 0, l.next
	for ; l.next < limit; l.next++ {
		if l.next == until {
			size, until = l.level(until, limit)
		}
		if p := r.Get(l.next); p != nil {
			s.batch.media(l, p, size)
		} else {
			l.missed(l.next)
		}
	}
}

// allow returns how many of a lane's packets may leave in this turn, and sees
// to it that there is another turn for the rest.
func (s *shard) allow(g *group, l *lane, now time.Time) uint64 {
	clock := now.Sub(s.epoch)
	n, again := l.pace.allow(int(l.track.Ring().Head()-l.next), clock)
	if again > 0 {
		g.paced = true
		if due := clock + again; s.soonest == 0 || due < s.soonest {
			s.soonest = due
		}
	}
	return uint64(n)
}

// fill sends packets that have come late and gives up those that will not.
func (s *shard) fill(l *lane, tail uint64) {
	kept := l.holes[:0]
	for _, seq := range l.holes {
		if p := l.track.Ring().Get(seq); p != nil {
			s.batch.media(l, p, 0)
		} else if seq >= tail {
			kept = append(kept, seq)
		}
	}
	l.holes = kept
}

// grant gives a viewer what it has asked for.
func (s *shard) grant(v *Viewer) {
	lost, keyframe := v.wishes.take()
	now := time.Now()
	if keyframe {
		s.ask(v, now)
	}
	to := v.to.Load()
	if to == nil || v.out == nil {
		return
	}
	s.batch.begin(v, *to, now)
	sent := 0
	for _, l := range v.lanes {
		if l.track == nil || l.payload.rtx == 0 && l.transportID != 0 { // it would not be the same packet again
			continue
		}
		for _, w := range lost {
			if l.ssrc == w.ssrc && sent < mostAgain && !l.pace.busy(now.Sub(s.epoch)) && s.again(l, w.number) {
				sent++
			}
		}
	}
	s.batch.flush()
}

// mostAgain is how many packets are sent again at once. Who has lost more has a
// link that is full; it asks again for the rest.
const mostAgain = 2 * trainSize

// again sends the packet of one number once more, if it is held and the
// viewer has not asked for too much; it tells whether it did.
func (s *shard) again(l *lane, number uint16) bool {
	seq, ok := l.numbers.In(number)
	if !ok || seq < l.stretch.first || seq >= l.next {
		return false
	}
	p := l.track.Ring().Get(seq)
	if p == nil || l.rtx.bytes < len(p.Payload) {
		return false
	}
	for _, hole := range l.holes {
		if hole == seq { // came this moment; fill sends it for the first time
			return false
		}
	}
	l.rtx.bytes -= len(p.Payload)
	s.engine.count.resent.Inc()
	s.batch.repeat(l, p)
	s.batch.viewer.flow.Repeated()
	l.pace.free += l.pace.each // it takes the place of one that waits
	return true
}

// moved has a viewer begin anew at the last keyframe when its path has changed or
// come back: of what went the old way all may be lost.
func (s *shard) moved(v *Viewer) {
	if l := v.lane(media.Video); l != nil && l.track != nil && v.out != nil {
		v.flow.Restart()
		l.rewind(time.Now())
	}
}

// ask passes a viewer's wish for a keyframe on to the track, which merges it
// with those of others; when that does not help, the last one is sent again.
func (s *shard) ask(v *Viewer, now time.Time) {
	if l := v.lane(media.Video); l != nil && l.track != nil {
		l.track.RequestKeyframe(0)
		l.wish(now)
	}
}
