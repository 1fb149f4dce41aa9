package push

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// Limits of how many pushes there are, those of the settings included.
const (
	maxPushes    = 100
	maxPerStream = 10
)

// Config sets up a Manager. All fields but Fixed and Storage are needed.
type Config struct {
	Hub     *hub.Hub
	Grant   func(stream string) auth.Grant // to watch
	Guarded Exit                           // to public addresses only
	Free    Exit                           // to private addresses too
	Storage Storage                        // nil keeps nothing
	Fixed   []Target                       // of the settings; always enabled, and let onto private networks
	Log     *slog.Logger                   // nil discards
}

// Manager owns the pushes.
type Manager struct {
	// set at construction
	cfg    Config
	spawns chan struct{} // says that there are pushes to start

	// guarded by mu
	mu     sync.RWMutex
	pushes map[string]*push
	fresh  []*push // to be started

	// held while a push is written
	writing sync.Mutex
}

// New returns a Manager with the pushes of the settings and of the storage. It
// returns ErrConfig, what is wrong with a push of the settings, or why the
// storage cannot be read. A stored push that cannot be read is left alone.
func New(ctx context.Context, cfg Config) (*Manager, error) {
	if cfg.Hub == nil || cfg.Grant == nil || cfg.Guarded.Allow == nil || cfg.Free.Allow == nil {
		return nil, ErrConfig
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &Manager{cfg: cfg, pushes: map[string]*push{}, spawns: make(chan struct{}, 1)}
	for i, t := range cfg.Fixed {
		t.Enabled, t.Private = true, true
		u, err := m.checked(t)
		if err != nil {
			return nil, fmt.Errorf("push %d of the settings, of %q: %w", i+1, t.Stream, err)
		}
		m.add(newPush(m, fmt.Sprintf("%s%d", fixedPrefix, i+1), t, u))
	}
	if cfg.Storage == nil {
		return m, nil
	}
	all, err := cfg.Storage.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the pushes: %w", err)
	}
	for id, body := range all {
		t, err := stored(body)
		var u *url.URL
		if err == nil {
			u, err = m.checked(t)
		}
		if err != nil {
			cfg.Log.Warn("a stored push is not used", "push", id, "reason", err)
			continue
		}
		m.add(newPush(m, id, t, u))
	}
	return m, nil
}

// Run pushes until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	defer m.cfg.Hub.Observe(m)()
	var running sync.WaitGroup
	defer running.Wait()
	for {
		m.mu.Lock()
		fresh := m.fresh
		m.fresh = nil
		m.mu.Unlock()
		for _, p := range fresh {
			running.Go(func() { p.run(ctx) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.spawns:
		}
	}
}

// StreamEvent implements hub.Observer. What happened is asked of the hub again
// by each push of the stream, because events may overtake each other.
func (m *Manager) StreamEvent(e hub.Event) {
	switch e.Kind {
	case hub.StreamLive, hub.StreamAway, hub.StreamEnded:
		m.mu.RLock()
		defer m.mu.RUnlock()
		for _, p := range m.pushes {
			if p.given.Stream == e.Info.Name {
				notify(p.wake)
			}
		}
	}
}

// add takes a push in, to be started by Run.
func (m *Manager) add(p *push) {
	m.mu.Lock()
	m.pushes[p.id] = p
	m.fresh = append(m.fresh, p)
	m.mu.Unlock()
	notify(m.spawns)
}

// List returns the pushes by stream and address.
func (m *Manager) List() []Info {
	m.mu.RLock()
	list := make([]Info, 0, len(m.pushes))
	for _, p := range m.pushes {
		list = append(list, p.info())
	}
	m.mu.RUnlock()
	slices.SortFunc(list, func(a, b Info) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.URL, b.URL), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// Add makes a push of a stream to an address, enabled. Where an admin makes it,
// the address may be on the machine's own or a private network. It returns
// auth.ErrName, ErrURL, ErrScheme, ErrTwice, ErrFull, ErrStreamFull, a
// netguard.ErrRefused for an IP address that may not be reached, or an error of
// the storage.
func (m *Manager) Add(ctx context.Context, stream, address string, admin bool) (Info, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	t := Target{Stream: stream, URL: address, Private: admin, Enabled: true}
	u, err := m.checked(t)
	if err != nil {
		return Info{}, err
	}
	if err := m.room(t); err != nil {
		return Info{}, err
	}
	if err := m.literal(t, u); err != nil {
		return Info{}, err
	}
	id := strings.ToLower(rand.Text()[:16])
	if err := m.keep(ctx, id, t); err != nil {
		return Info{}, err
	}
	p := newPush(m, id, t, u)
	m.add(p)
	return p.info(), nil
}

// exit returns the Senders for a target.
func (m *Manager) exit(t Target) Exit {
	if t.Private {
		return m.cfg.Free
	}
	return m.cfg.Guarded
}

// room returns why there may not be one push more.
func (m *Manager) room(t Target) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	same := 0
	for _, p := range m.pushes {
		if p.given.Stream != t.Stream {
			continue
		}
		same++
		if p.given.URL == t.URL {
			return ErrTwice
		}
	}
	switch {
	case same >= maxPerStream:
		return ErrStreamFull
	case len(m.pushes) >= maxPushes:
		return ErrFull
	}
	return nil
}

func (m *Manager) keep(ctx context.Context, id string, t Target) error {
	if m.cfg.Storage == nil {
		return nil
	}
	body, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return m.cfg.Storage.Put(ctx, id, body)
}

// SetEnabled turns a push on or off. It returns ErrNotFound, ErrFixed, or an
// error of the storage.
func (m *Manager) SetEnabled(ctx context.Context, id string, enabled bool) (Info, error) {
	m.writing.Lock()
	defer m.writing.Unlock()
	p, err := m.changeable(id)
	if err != nil {
		return Info{}, err
	}
	t := p.target()
	t.Enabled = enabled
	if err := m.keep(ctx, id, t); err != nil {
		return Info{}, err
	}
	p.enable(enabled)
	return p.info(), nil
}

// Delete removes a push and ends it. It returns ErrNotFound, ErrFixed, or an
// error of the storage.
func (m *Manager) Delete(ctx context.Context, id string) error {
	m.writing.Lock()
	defer m.writing.Unlock()
	p, err := m.changeable(id)
	if err != nil {
		return err
	}
	if m.cfg.Storage != nil {
		if err := m.cfg.Storage.Delete(ctx, id); err != nil {
			return err
		}
	}
	m.mu.Lock()
	delete(m.pushes, id)
	m.fresh = slices.DeleteFunc(m.fresh, func(f *push) bool { return f == p })
	m.mu.Unlock()
	p.remove()
	return nil
}

func (m *Manager) changeable(id string) (*push, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	p := m.pushes[id]
	switch {
	case p == nil:
		return nil, ErrNotFound
	case p.fixed():
		return nil, ErrFixed
	}
	return p, nil
}

// notify sets a channel of one entry.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
