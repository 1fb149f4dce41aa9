package pull

import (
	"context"
	"errors"
	"io"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
)

// cameras play Opener: each connection is answered by answer, and plays for
// ever where that returns nil, until it is broken.
type cameras struct {
	hub    *hub.Hub
	broken chan error

	mu     sync.Mutex
	answer func(try int, r Request) error
	times  []time.Time // of the connections
	plays  int         // those that play now
}

func (c *cameras) Pull(ctx context.Context, r Request) error {
	c.mu.Lock()
	c.times = append(c.times, time.Now())
	try, answer := len(c.times), c.answer
	c.mu.Unlock()
	if err := answer(try, r); err != nil {
		return err
	}
	p, err := c.hub.Publish(r.Grant, source{}, hub.Options{Proto: "rtsp"})
	if err != nil {
		return err
	}
	r.Live()
	c.playing(1)
	defer c.playing(-1)
	select {
	case <-ctx.Done():
		p.Close(context.Cause(ctx))
		return ctx.Err()
	case err := <-c.broken:
		p.Close(errors.New("lost"))
		return err
	}
}

func (c *cameras) Probe(_ context.Context, r Request) ([]Track, error) {
	return []Track{{Kind: "video", Codec: "H264"}}, c.answer(0, r)
}

// answers changes how cameras answer.
func (c *cameras) answers(answer func(int, Request) error) {
	c.mu.Lock()
	c.answer = answer
	c.mu.Unlock()
}

func (c *cameras) playing(change int) {
	c.mu.Lock()
	c.plays += change
	c.mu.Unlock()
}

// now returns how many connections there were and how many play.
func (c *cameras) now() (tries, plays int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.times), c.plays
}

// source is a publication's end that nobody asks anything of.
type source struct{}

func (source) RequestKeyframe(*hub.Track, int) {}
func (source) Close(error)                     {}

// memory is a Storage.
type memory struct {
	mu   sync.Mutex
	docs map[string][]byte
	fail error
}

func (m *memory) Put(_ context.Context, id string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.docs[id] = body
	}
	return m.fail
}

func (m *memory) All(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.docs), m.fail
}

func (m *memory) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, id)
	return m.fail
}

// house is a Manager that runs, with all around it.
type house struct {
	*testing.T
	*Manager
	hub     *hub.Hub
	cameras *cameras
	memory  *memory
}

// fine is the answer of a camera that plays.
func fine(int, Request) error { return nil }

func newHouse(t *testing.T, answer func(int, Request) error, fixed ...Source) *house {
	t.Helper()
	h := &house{T: t, memory: &memory{docs: map[string][]byte{}}}
	h.cameras = &cameras{answer: answer, broken: make(chan error)}
	h.hub = hub.New(hub.Config{Finder: finder{h}})
	h.cameras.hub = h.hub
	h.Manager = h.manager(fixed...)
	return h
}

func (h *house) manager(fixed ...Source) *Manager {
	h.Helper()
	m, err := New(h.Context(), Config{
		Opener: h.cameras, Hub: h.hub, Storage: h.memory, Fixed: fixed,
		Grant:  func(stream string) auth.Grant { return auth.System(auth.Publish, stream) },
		Public: netguard.New(false), Private: netguard.New(true),
	})
	require.NoError(h, err)
	return m
}

// finder lets the hub be made before the Manager.
type finder struct{ *house }

func (f finder) Find(ctx context.Context, stream string) error { return f.Manager.Find(ctx, stream) }

// inside runs a test in a bubble of its own time, with the Manager running.
func inside(t *testing.T, answer func(int, Request) error, test func(h *house), fixed ...Source) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, answer, fixed...)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = h.hub.Run(ctx) })
		running.Go(func() { _ = h.Manager.Run(ctx) })
		synctest.Wait()
		test(h)
		cancel()
		running.Wait()
	})
}

// after lets time pass.
func (h *house) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is demands the state of a source, which is returned.
func (h *house) is(stream string, want State) Info {
	h.Helper()
	synctest.Wait()
	for _, i := range h.List() {
		if i.Stream == stream {
			require.Equal(h, want, i.State, i.Text)
			require.NotEmpty(h, i.Text)
			return i
		}
	}
	h.Fatalf("no source %s", stream)
	return Info{}
}

func (h *house) watch(stream string) (*hub.Subscription, error) {
	return h.hub.Watch(h.Context(), auth.System(auth.Watch, stream))
}

func (h *house) put(s Source) Info {
	h.Helper()
	i, _, err := h.Put(h.Context(), s, true)
	require.NoError(h, err)
	return i
}

// dialError is how a Go dialler reports.
func dialError(cause error) error { return errors.Join(ErrUnreachable, cause) }

var eof = dialError(io.EOF)
