package egress

import (
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// A burst ends at a marker bit, at this many packets, or after batchTime.
const (
	batchPackets = 16
	batchTime    = time.Millisecond
)

// group is what one shard has to do for one stream: its viewers there, and one
// sink on each track that wakes the shard.
type group struct {
	// set at construction
	shard  *shard
	stream *hub.Stream

	// owned by the shard
	viewers []*Viewer
	sinks   map[*hub.Track]func() // detach
	stale   bool                  // a viewer has left a track: some sinks may be nobody's
	paced   bool                  // a viewer may not yet be sent all that there is for it

	// atomic
	ready atomic.Bool
}

// wake says that there are packets to send.
func (g *group) wake() {
	if !g.ready.Swap(true) {
		g.shard.wake()
	}
}

// sink gathers the packets of one track into bursts. The packets themselves
// stay in the track's ring.
type sink struct {
	// set at construction
	group *group
	track *hub.Track
	late  *time.Timer // ends a burst that has no end of its own

	// atomic
	pending atomic.Int32 // packets since the last wake
}

var _ hub.PacketSink = (*sink)(nil)

func newSink(g *group, t *hub.Track) *sink {
	s := &sink{group: g, track: t}
	s.late = time.AfterFunc(time.Hour, s.flush)
	s.late.Stop()
	return s
}

// flush ends the burst. A packet after it begins another, which has its own
// batchTime.
func (s *sink) flush() {
	s.pending.Store(0)
	s.group.wake()
}

// WritePacket counts a packet and wakes the shard at the end of a burst.
func (s *sink) WritePacket(p *media.Packet) {
	pending := s.pending.Add(1)
	late := p.Seq+1 != s.track.Ring().Head()
	if p.Marker || late || pending >= batchPackets || s.track.Kind() == media.Audio {
		if pending > 1 {
			s.late.Stop()
		}
		s.flush()
		return
	}
	if pending == 1 {
		s.late.Reset(batchTime)
	}
}

// Close is called when the stream has ended; its viewers are told by their
// subscriptions.
func (s *sink) Close(error) { s.late.Stop() }

// attach puts a sink on a track that has none yet.
func (g *group) attach(t *hub.Track) {
	if g.sinks[t] == nil {
		s := newSink(g, t)
		detach := t.Attach(s)
		g.sinks[t] = func() { detach(); s.Close(nil) }
	}
}

// release takes the sinks off tracks that no viewer is sent any more: a track
// that the server makes goes on being made only while somebody takes it.
func (g *group) release() {
	g.stale = false
	used := map[*hub.Track]bool{}
	for _, v := range g.viewers {
		for _, l := range v.lanes {
			used[l.track] = true
		}
	}
	for t, detach := range g.sinks {
		if !used[t] {
			detach()
			delete(g.sinks, t)
		}
	}
}

func (g *group) detach() {
	for _, d := range g.sinks {
		d()
	}
}
