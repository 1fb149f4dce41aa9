package hub

import (
	"context"
	"errors"
	"log/slog"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/auth"
)

// DefaultGrace is how long a stream waits for its publisher to come back.
const DefaultGrace = 10 * time.Second

// Config sets up a hub. The zero Config is usable.
type Config struct {
	Grace      time.Duration                           // how long viewers are kept without a publisher; 0 means DefaultGrace
	PosterPath func(stream string, version int) string // where a poster is served, for Info; nil for nowhere
	Finder     Finder                                  // brings streams that are not here; nil for none
	Converter  Converter                               // nil converts nothing
	Log        *slog.Logger                            // nil discards
}

// Hub holds the streams of this node.
type Hub struct {
	// set at construction
	cfg Config

	// guarded by mu
	mu      sync.Mutex
	streams map[string]*Stream
	closed  bool

	// atomic
	observers atomic.Pointer[[]*observer]

	conversions sync.WaitGroup // those that run
}

type observer struct{ Observer }

// New returns an empty hub.
func New(cfg Config) *Hub {
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.PosterPath == nil {
		cfg.PosterPath = func(string, int) string { return "" }
	}
	h := &Hub{cfg: cfg, streams: map[string]*Stream{}}
	h.observers.Store(&[]*observer{})
	return h
}

// Run keeps the hub open until ctx ends; then every source and subscription is
// closed with ErrShutdown and new ones are refused.
func (h *Hub) Run(ctx context.Context) error {
	<-ctx.Done()
	h.mu.Lock()
	h.closed = true
	streams := h.all()
	h.mu.Unlock()
	for _, s := range streams {
		s.end(ErrShutdown)
	}
	h.conversions.Wait()
	return nil
}

// all returns the streams in no order; mu is held.
func (h *Hub) all() []*Stream {
	streams := make([]*Stream, 0, len(h.streams))
	for _, s := range h.streams {
		streams = append(streams, s)
	}
	return streams
}

// Options describe a publication.
type Options struct {
	Proto  string // "ws", "whip", "rtmp", ...
	Peer   string // network address, with or without port
	Title  string // what viewers see above the name, at most 120 characters
	Resume string // secret of an earlier publication that this one takes over

	Obliging bool // the source makes a keyframe when it is asked for one
}

// Publish makes src the source of the stream that g names. It returns
// ErrDenied for a grant that is not for publishing, ErrShutdown while the
// server ends, and ErrBusy while another principal publishes or may come back:
// the same subject, or whoever knows the publication's Resume secret, takes
// over and the older one is closed with ErrReplaced.
func (h *Hub) Publish(g auth.Grant, src Source, o Options) (*Publication, error) {
	if !g.Allows(auth.Publish, time.Now()) {
		return nil, ErrDenied
	}
	for {
		s, err := h.open(g.Stream())
		if err != nil {
			return nil, err
		}
		if p, gone, err := s.publish(g, src, o); !gone {
			return p, err
		}
	}
}

// open returns the stream of a name and makes it when it is not there.
func (h *Hub) open(name string) (*Stream, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, ErrShutdown
	}
	s := h.streams[name]
	if s == nil {
		s = newStream(h, name)
		h.streams[name] = s
	}
	return s, nil
}

// Watch subscribes to the stream that g names. A stream that is not here is
// asked of the Finder, while ctx lasts. It returns ErrDenied for a grant that
// is not for watching and ErrNotLive, maybe an *UnavailableError, when nobody
// publishes it.
func (h *Hub) Watch(ctx context.Context, g auth.Grant) (*Subscription, error) {
	if !g.Allows(auth.Watch, time.Now()) {
		return nil, ErrDenied
	}
	sub, err := h.subscribe(g)
	if !errors.Is(err, ErrNotLive) || h.cfg.Finder == nil {
		return sub, err
	}
	if err := h.cfg.Finder.Find(ctx, g.Stream()); err != nil {
		return nil, err
	}
	return h.subscribe(g)
}

func (h *Hub) subscribe(g auth.Grant) (*Subscription, error) {
	s := h.find(g.Stream())
	if s == nil {
		return nil, ErrNotLive
	}
	return s.watch(g)
}

func (h *Hub) find(name string) *Stream {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.streams[name]
}

// remove forgets a stream that has ended.
func (h *Hub) remove(s *Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.streams[s.name] == s {
		delete(h.streams, s.name)
	}
}

// Info returns the state of a stream; one that is not here is Offline.
func (h *Hub) Info(name string) Info {
	if s := h.find(name); s != nil {
		return s.Info()
	}
	return Info{Name: name, State: Offline, Tracks: []TrackInfo{}}
}

// List returns the streams that are live or away, by name.
func (h *Hub) List() []Info {
	h.mu.Lock()
	streams := h.all()
	h.mu.Unlock()
	list := make([]Info, 0, len(streams))
	for _, s := range streams {
		if i := s.Info(); i.State == Live || i.State == Away {
			list = append(list, i)
		}
	}
	sort.Slice(list, func(a, b int) bool { return list[a].Name < list[b].Name })
	return list
}

// Poster returns the newest still of a stream as JPEG and how many there were
// before it; nil when there is none.
func (h *Hub) Poster(name string) (jpeg []byte, version int) {
	if s := h.find(name); s != nil {
		return s.posterNow()
	}
	return nil, 0
}

// Observe tells o of every event until cancel is called.
func (h *Hub) Observe(o Observer) (cancel func()) {
	entry := &observer{o}
	h.changeObservers(func(list []*observer) []*observer { return append(list, entry) })
	return func() {
		h.changeObservers(func(list []*observer) []*observer { return without(list, entry) })
	}
}

func (h *Hub) changeObservers(change func([]*observer) []*observer) {
	for {
		old := h.observers.Load()
		list := change(append([]*observer(nil), *old...))
		if h.observers.CompareAndSwap(old, &list) {
			return
		}
	}
}

func (h *Hub) announce(e Event) {
	for _, o := range *h.observers.Load() {
		o.StreamEvent(e)
	}
}

// without returns list without x; it may reuse list's memory.
func without[T comparable](list []T, x T) []T {
	kept := list[:0]
	for _, y := range list {
		if y != x {
			kept = append(kept, y)
		}
	}
	return kept
}
