package hub

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// Times of conversions.
const (
	convertLinger = 10 * time.Second // how long one goes on after the last who takes its track
	convertAgain  = time.Second      // after one has failed
	convertLog    = time.Minute      // between two lines about one that fails for the same reason
)

// Choose returns the stream's track of a kind if accept takes it, else one
// that the converter can make of it, else nil. A track that is made costs
// nothing until somebody attaches to it.
func (s *Stream) Choose(k media.Kind, accept func(media.Codec, media.Traits) bool) *Track {
	t := s.Track(k)
	if t == nil {
		return nil
	}
	codec, traits := t.Codec(), t.Traits()
	if accept(codec, traits) {
		return t
	}
	if s.hub.cfg.Converter == nil {
		return nil
	}
	if made := s.made(t, accept); made != nil {
		return made
	}
	for _, to := range s.hub.cfg.Converter.Targets(codec, traits) {
		if accept(to, media.Traits{}) {
			return s.derive(t, to)
		}
	}
	return nil
}

// made returns what is being made of a track already, if accept takes it.
func (s *Stream) made(from *Track, accept func(media.Codec, media.Traits) bool) *Track {
	s.mu.Lock()
	derived := slices.Clone(s.derived)
	s.mu.Unlock()
	for _, t := range derived {
		if t.origin == from && !t.conversion.resting() && accept(t.Codec(), media.Traits{}) {
			return t
		}
	}
	return nil
}

// derive returns the track of a codec that is made of another, nil when the
// stream has ended.
func (s *Stream) derive(from *Track, to media.Codec) *Track {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info.State == Ended {
		return nil
	}
	kept := s.derived[:0:0]
	for _, t := range s.derived {
		if t.origin == from && t.Codec() == to {
			return t
		}
		if !t.conversion.resting() {
			kept = append(kept, t)
		}
	}
	t := newTrack(s, from.kind, to)
	t.origin = from
	t.conversion = &conversion{running: &s.hub.conversions, run: func(ctx context.Context) { s.hub.convert(ctx, t, to) }}
	s.derived = append(kept, t)
	return t
}

// reconvert begins the conversions of a track anew, which has another codec
// now; mu is held.
func (s *Stream) reconvert(from *Track) {
	for _, t := range s.derived {
		if t.origin == from {
			t.conversion.restart()
		}
	}
}

// convert has a track made until ctx ends.
func (h *Hub) convert(ctx context.Context, t *Track, to media.Codec) {
	said, when := "", time.Time{}
	for ctx.Err() == nil {
		err := h.cfg.Converter.Convert(ctx, t.origin, t.bind(to, &publisherClock{}))
		if ctx.Err() != nil {
			return
		}
		if reason := fmt.Sprint(err); reason != said || time.Since(when) > convertLog {
			said, when = reason, time.Now()
			h.cfg.Log.Warn("converting failed", "stream", t.stream.name, "from", t.origin.Codec().Name, "to", to.Name, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(convertAgain):
		}
	}
}

// conversion runs while somebody takes what it makes, and a while longer. The
// nil conversion, that of a source's own track, does nothing.
type conversion struct {
	// set at construction
	run     func(ctx context.Context)
	running *sync.WaitGroup

	// guarded by mu
	mu     sync.Mutex
	users  int
	cancel context.CancelFunc // of the one that runs; nil for none
	idle   *time.Timer        // ends it
	ended  bool
}

func (c *conversion) take() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	if c.idle != nil {
		c.idle.Stop()
	}
	if c.cancel == nil {
		c.start()
	}
}

func (c *conversion) drop() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users--
	if c.users == 0 && c.cancel != nil {
		c.idle = time.AfterFunc(convertLinger, c.rest)
	}
}

// start runs the conversion; mu is held.
func (c *conversion) start() {
	if c.ended {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	c.running.Go(func() { c.run(ctx) })
}

// rest stops the conversion unless somebody takes its track again.
func (c *conversion) rest() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users == 0 {
		c.stop()
	}
}

// stop is called with mu held.
func (c *conversion) stop() {
	if c.cancel != nil {
		c.cancel()
		c.cancel = nil
	}
}

func (c *conversion) restart() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancel != nil {
		c.stop()
		c.start()
	}
}

// resting tells whether nobody takes what it makes and nothing runs.
func (c *conversion) resting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.users == 0 && c.cancel == nil
}

// end stops the conversion for good.
func (c *conversion) end() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.idle != nil {
		c.idle.Stop()
	}
	c.stop()
}
