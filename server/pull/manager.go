package pull

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
)

// maxSources bounds how many sources there are, those of the settings included.
const maxSources = 500

// Config sets up a Manager. All fields but Fixed and Storage are needed.
type Config struct {
	Opener  Opener
	Hub     *hub.Hub
	Grant   func(stream string) auth.Grant // to publish
	Public  *netguard.Guard                // for addresses of the internet
	Private *netguard.Guard                // for sources that an admin let onto private networks
	Storage Storage                        // nil keeps nothing
	Fixed   []Source                       // of the settings
	Log     *slog.Logger                   // nil discards
}

// Manager owns the sources. It implements hub.Finder: a source that is pulled
// while watched starts when its stream is asked for.
type Manager struct {
	// set at construction
	cfg    Config
	spawns chan struct{} // says that there are cameras to start
	probes chan struct{} // holds one entry for each probe that may run

	// guarded by mu
	mu      sync.RWMutex
	cameras map[string]*camera
	fresh   []*camera // to be started

	// held while a source is written
	writing sync.Mutex
}

// New returns a Manager with the sources of the settings and of the storage. It
// returns ErrConfig, what is wrong with a source of the settings, or why the
// storage cannot be read. A stored source that cannot be read is left alone.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	if cfg.Opener == nil || cfg.Hub == nil || cfg.Grant == nil || cfg.Public == nil || cfg.Private == nil {
		return nil, ErrConfig
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{cfg: cfg, cameras: map[string]*camera{}, spawns: make(chan struct{}, 1), probes: make(chan struct{}, maxProbes)}
	for _, s := range cfg.Fixed {
		s, u, err := checked(s)
		if err != nil {
			return nil, fmt.Errorf("source %q of the settings: %w", s.Stream, err)
		}
		m.add(newCamera(m, s, u, true))
	}
	if cfg.Storage == nil {
		return m, nil
	}
	all, err := cfg.Storage.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the sources: %w", err)
	}
	for stream, body := range all {
		s, err := stored(stream, body)
		if err == nil && m.cameras[stream] != nil {
			err = ErrFixed
		}
		if err != nil {
			cfg.Log.Warn("a stored source is not used", "stream", stream, "reason", err)
			continue
		}
		u, _ := parse(s.URL)
		m.add(newCamera(m, s, u, false))
	}
	return m, nil
}

// Run pulls until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer m.cfg.Hub.Observe(m)()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		m.mu.Lock()
		fresh, all := m.fresh, len(m.cameras)
		m.fresh = nil
		m.mu.Unlock()
		for _, c := range fresh {
			running.Go(func() { c.run(ctx, len(fresh) == 1, all) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.spawns:
		}
	}
}

// StreamEvent implements hub.Observer.
func (m *Manager) StreamEvent(e hub.Event) {
	if e.Kind == hub.StreamData { // says nothing about viewers
		return
	}
	if c := m.camera(e.Info.Name); c != nil {
		c.observe(e)
	}
}

func (m *Manager) camera(stream string) *camera {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.cameras[stream]
}

// add takes a camera in, to be started by Run.
func (m *Manager) add(c *camera) {
	m.mu.Lock()
	m.cameras[c.stream] = c
	m.fresh = append(m.fresh, c)
	m.mu.Unlock()
	notify(m.spawns)
}

// List returns the sources by their stream's name.
func (m *Manager) List() []Info {
	m.mu.RLock()
	list := make([]Info, 0, len(m.cameras))
	for _, c := range m.cameras {
		list = append(list, c.info())
	}
	m.mu.RUnlock()
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.Stream, b.Stream) })
	return list
}

// Put adds a source, or changes the one of the same stream; created tells which.
// A source that failed is tried again at once. In an address that was shown
// before, *** stands for the stored secret as long as user and host are the
// same. It returns auth.ErrName, ErrURL, ErrMasked, ErrTransport, ErrWhen,
// ErrAdmin, ErrFixed, ErrFull, a *StateError for an IP address that may not be
// reached, or an error of the storage.
func (m *Manager) Put(ctx context.Context, s Source, admin bool) (info Info, created bool, err error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	c := m.camera(s.Stream)
	s, err = m.completed(s, c)
	if err != nil {
		return Info{}, false, err
	}
	s, u, err := checked(s)
	switch {
	case err != nil:
		return Info{}, false, err
	case s.Private && !admin:
		return Info{}, false, ErrAdmin
	case c != nil && c.fixed:
		return Info{}, false, ErrFixed
	case c == nil && m.count() >= maxSources:
		return Info{}, false, ErrFull
	}
	if err := m.literal(s, u); err != nil {
		return Info{}, false, err
	}
	if err := m.keep(ctx, s); err != nil {
		return Info{}, false, err
	}
	if c != nil {
		c.change(s, u)
		return c.info(), false, nil
	}
	c = newCamera(m, s, u, false)
	m.add(c)
	return c.info(), true, nil
}

// completed puts the stored secrets into a source that came back from a person.
func (m *Manager) completed(s Source, c *camera) (Source, error) {
	old := ""
	if c != nil {
		c.mu.Lock()
		old = c.source.URL
		c.mu.Unlock()
	}
	raw, err := unmasked(s.URL, old)
	s.URL = raw
	return s, err
}

func (m *Manager) count() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.cameras)
}

func (m *Manager) keep(ctx context.Context, s Source) error {
	if m.cfg.Storage == nil {
		return nil
	}
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return m.cfg.Storage.Put(ctx, s.Stream, body)
}

// Delete removes a source and ends its stream. It returns ErrNotFound, ErrFixed,
// or an error of the storage.
func (m *Manager) Delete(ctx context.Context, stream string) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	c := m.camera(stream)
	if c == nil {
		return ErrNotFound
	}
	if c.fixed {
		return ErrFixed
	}
	if m.cfg.Storage != nil {
		if err := m.cfg.Storage.Delete(ctx, stream); err != nil {
			return err
		}
	}
	m.mu.Lock()
	delete(m.cameras, stream)
	m.fresh = slices.DeleteFunc(m.fresh, func(f *camera) bool { return f == c })
	m.mu.Unlock()
	c.remove()
	return nil
}

// guard returns the guard for a source.
func (m *Manager) guard(s Source) *netguard.Guard {
	if s.Private {
		return m.cfg.Private
	}
	return m.cfg.Public
}

// literal returns why the guard refuses the IP address that stands in an address.
// A name is checked when it is dialled, because what it stands for may change.
func (m *Manager) literal(s Source, u *url.URL) error {
	ip, ok := netguard.Literal(u.Hostname())
	if !ok || m.guard(s).Allow(ip) == nil {
		return nil
	}
	return &StateError{State: Refused, Text: refused(u.Hostname(), s).owner}
}

// notify sets a channel of one entry.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
