package hub

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/media"
)

// countEvery bounds how often a change of the number of viewers is announced.
const countEvery = time.Second

// Stream is a name that people publish to and watch.
type Stream struct {
	// set at construction
	hub  *Hub
	name string

	// guarded by mu
	mu            sync.Mutex
	publication   *Publication // nil while away
	lost          *Publication // the last one, while away
	subscriptions map[*Subscription]struct{}
	grace         *time.Timer // runs while away
	counting      bool        // a StreamCount event is on its way
	info          Info        // Viewers, Poster and Tracks are filled in when asked for
	poster        []byte
	posterVersion int
	viewers       int          // subscriptions of people
	everyTrack    []*Track     // those of earlier publications too
	derived       []*Track     // made of others by the converter
	feeding       *Publication // whose tracks the present ones are
	metadata      *Data        // the last that describes the whole stream

	// atomic
	tracks atomic.Pointer[[]*Track]
}

func newStream(h *Hub, name string) *Stream {
	s := &Stream{hub: h, name: name, subscriptions: map[*Subscription]struct{}{}}
	s.info = Info{Name: name, State: Offline}
	s.tracks.Store(&[]*Track{})
	return s
}

// Name returns the stream's name.
func (s *Stream) Name() string { return s.name }

// Tracks returns the tracks, at most one of a kind. Until a new publication has
// given its first, they are those of the one before. The slice is shared: do not
// change it.
func (s *Stream) Tracks() []*Track { return *s.tracks.Load() }

// Track returns the track of a kind, or nil.
func (s *Stream) Track(k media.Kind) *Track {
	for _, t := range s.Tracks() {
		if t.kind == k {
			return t
		}
	}
	return nil
}

// Info returns the stream's state.
func (s *Stream) Info() Info {
	s.mu.Lock()
	info := s.infoLocked()
	s.mu.Unlock()
	return s.diagnosed(info)
}

// diagnosed adds the diagnoses. They ask the converter, so no lock is held.
func (s *Stream) diagnosed(i Info) Info {
	for _, t := range s.Tracks() {
		i.Diagnoses = append(i.Diagnoses, s.hub.diagnoses(t)...)
	}
	return i
}

// announce tells the observers what happened; info is that of infoLocked.
func (s *Stream) announce(kind EventKind, info Info) {
	s.hub.announce(Event{Kind: kind, Info: s.diagnosed(info)})
}

// infoLocked returns the stream's state without the diagnoses; mu is held.
func (s *Stream) infoLocked() Info {
	i := s.info
	i.Viewers, i.Held = s.viewers, len(s.subscriptions)
	if s.poster != nil {
		i.Poster = s.hub.cfg.PosterPath(s.name, s.posterVersion)
	}
	i.Tracks = []TrackInfo{}
	for _, t := range s.Tracks() {
		i.Tracks = append(i.Tracks, trackInfo(t))
	}
	return i
}

func (s *Stream) posterNow() ([]byte, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.poster, s.posterVersion
}

// publish makes a publication; gone is true when the stream ended meanwhile
// and the caller has to open it anew.
func (s *Stream) publish(g auth.Grant, src Source, o Options) (p *Publication, gone bool, err error) {
	s.mu.Lock()
	if s.info.State == Ended {
		s.mu.Unlock()
		return nil, true, nil
	}
	older := s.publication
	holder := older
	if holder == nil {
		holder = s.lost // may come back within the grace time
	}
	if holder != nil && !holder.yieldsTo(g, o) {
		s.mu.Unlock()
		return nil, false, ErrBusy
	}
	p = newPublication(s, src, g, o)
	s.publication, s.lost = p, nil
	if s.grace != nil {
		s.grace.Stop()
		s.grace = nil
	}
	if s.info.State == Offline {
		s.info.Since = time.Now().UnixMilli()
	}
	s.info.State, s.info.AwaySince, s.info.Proto = Live, 0, o.Proto
	if o.Title != "" || holder == nil {
		s.info.Title = o.Title
	}
	info := s.infoLocked()
	s.mu.Unlock()

	if older != nil {
		older.finish(ErrReplaced)
	}
	s.hub.cfg.Log.Info("stream live", "stream", s.name, "proto", o.Proto, "peer", o.Peer)
	s.announce(StreamLive, info)
	return p, false, nil
}

// unpublish is called once for each publication when it ends.
func (s *Stream) unpublish(p *Publication, reason error) {
	s.mu.Lock()
	if s.publication != p && (s.publication != nil || s.lost != p) {
		s.mu.Unlock()
		return
	}
	again := s.publication == nil
	s.publication, s.lost = nil, p
	if errors.Is(reason, ErrEnded) {
		s.mu.Unlock()
		s.end(ErrEnded)
		return
	}
	if again {
		s.mu.Unlock()
		return
	}
	if s.info.State != Away { // else it was silent before, which counts
		s.info.State, s.info.AwaySince = Away, time.Now().UnixMilli()
	}
	s.grace = time.AfterFunc(s.hub.cfg.Grace-time.Since(time.UnixMilli(s.info.AwaySince)), s.giveUp)
	info := s.infoLocked()
	s.mu.Unlock()
	s.hub.cfg.Log.Info("stream away", "stream", s.name, "reason", reason)
	s.announce(StreamAway, info)
}

// setAway notes that a publication that goes on is silent, or is not any more.
func (s *Stream) setAway(p *Publication, away bool) {
	s.mu.Lock()
	if s.publication != p || (s.info.State == Away) == away {
		s.mu.Unlock()
		return
	}
	kind := StreamLive
	s.info.State, s.info.AwaySince = Live, 0
	if away {
		kind = StreamAway
		s.info.State, s.info.AwaySince = Away, time.Now().UnixMilli()
	}
	info := s.infoLocked()
	s.mu.Unlock()
	s.hub.cfg.Log.Info("stream "+string(kind), "stream", s.name, "reason", "its publisher is silent or back")
	s.announce(kind, info)
}

// giveUp ends the stream when the grace time is over.
func (s *Stream) giveUp() {
	s.mu.Lock()
	since := time.Since(time.UnixMilli(s.info.AwaySince))
	away := s.publication == nil && s.info.State == Away && since >= s.hub.cfg.Grace-time.Second // not an older timer's
	s.mu.Unlock()
	if away {
		s.end(ErrAbandoned)
	}
}

// end closes whatever belongs to the stream and forgets it.
func (s *Stream) end(reason error) {
	s.mu.Lock()
	if s.info.State == Ended || (errors.Is(reason, ErrEnded) && s.publication != nil) {
		s.mu.Unlock()
		return
	}
	s.info.State = Ended
	if s.grace != nil {
		s.grace.Stop()
	}
	p := s.publication
	s.publication = nil
	info := s.infoLocked()
	subscriptions, tracks := s.subscriptions, slices.Concat(s.everyTrack, s.derived)
	s.subscriptions, s.viewers = map[*Subscription]struct{}{}, 0
	s.mu.Unlock()

	s.hub.remove(s)
	if p != nil {
		p.finish(reason)
	}
	for sub := range subscriptions {
		sub.finish(reason)
	}
	for _, t := range tracks {
		t.closeSinks(reason)
		t.conversion.end()
	}
	s.hub.cfg.Log.Info("stream ended", "stream", s.name, "reason", reason)
	s.announce(StreamEnded, info)
}

// feed makes p the one that writes the track of a kind, which is made when it
// is new. It returns ErrReplaced when the stream is not p's any more, and
// ErrTracksQuick.
func (s *Stream) feed(p *Publication, k media.Kind, c media.Codec) (*Input, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication != p {
		return nil, ErrReplaced
	}
	now := time.Now()
	if p.trackDue.Sub(now) > trackBurst*trackEvery {
		return nil, ErrTracksQuick
	}
	p.trackDue = later(p.trackDue, now).Add(trackEvery)
	i := slices.IndexFunc(s.everyTrack, func(t *Track) bool { return t.kind == k })
	if i < 0 {
		i = len(s.everyTrack)
		s.everyTrack = append(s.everyTrack, newTrack(s, k, c))
	}
	t := s.everyTrack[i]
	other := t.Codec() != c
	var list []*Track
	if s.feeding == p {
		list = without(slices.Clone(s.Tracks()), t)
	}
	list = append(list, t)
	s.feeding = p
	s.tracks.Store(&list)
	t.obliging.Store(p.oblige)
	in := t.bind(c, p.clock)
	if other { // not before: a conversion asks for the codec when it begins
		s.reconvert(t)
	}
	return in, nil
}

// tracksChanged tells subscriptions and observers.
func (s *Stream) tracksChanged() {
	s.mu.Lock()
	info := s.infoLocked()
	subscriptions := make([]*Subscription, 0, len(s.subscriptions))
	for sub := range s.subscriptions {
		subscriptions = append(subscriptions, sub)
	}
	s.mu.Unlock()
	for _, sub := range subscriptions {
		sub.tracksChanged()
	}
	s.announce(StreamTracks, info)
}

// count notes that a subscription began or ended; mu is held.
func (s *Stream) count(sub *Subscription, change int) {
	if sub.person {
		s.viewers += change
	}
	s.countChanged()
}

// countChanged announces the number of viewers, at most once in countEvery;
// mu is held.
func (s *Stream) countChanged() {
	if s.counting || s.info.State == Ended {
		return
	}
	s.counting = true
	time.AfterFunc(countEvery, func() {
		s.mu.Lock()
		s.counting = false
		info := s.infoLocked()
		s.mu.Unlock()
		if info.State != Ended {
			s.announce(StreamCount, info)
		}
	})
}

func (s *Stream) source() Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication == nil {
		return nil
	}
	return s.publication.source
}
