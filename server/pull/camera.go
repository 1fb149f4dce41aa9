package pull

import (
	"context"
	"math/rand/v2"
	"net/url"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/redact"
)

// camera is one source and what is done with it.
type camera struct {
	// set at construction
	m      *Manager
	stream string
	fixed  bool
	wake   chan struct{} // says that something changed for run
	gone   chan struct{} // closed when the source is removed

	// guarded by mu
	mu     sync.Mutex
	source Source
	url    *url.URL
	status status
	next   time.Time // not tried before
	want   want
	try    *try // the connection, nil between two
	tries  int  // connections that have ended
	fails  int  // in a row
}

// status is what is shown.
type status struct {
	state   State
	text    string // for the owner
	public  string // for viewers: it names no address
	since   time.Time
	played  time.Time     // when it was live the last time, zero for never
	changed chan struct{} // closed with the next change of anything
}

func newCamera(m *Manager, s Source, u *url.URL, fixed bool) *camera {
	c := &camera{
		m: m, stream: s.Stream, fixed: fixed, source: s, url: u,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	c.status = status{since: time.Now(), changed: make(chan struct{})}
	c.rest()
	return c
}

// set changes the state; mu is held. A state that goes on keeps its beginning.
func (c *camera) set(s State, w words) {
	if c.status.state != s {
		c.status.since = time.Now()
	}
	c.status.state, c.status.text, c.status.public = s, w.owner, w.viewer
	close(c.status.changed)
	c.status.changed = make(chan struct{})
}

// rest sets the state of a source that nothing is known of yet; mu is held.
func (c *camera) rest() {
	if c.source.When == watched {
		c.set(Waiting, unwatched())
		return
	}
	c.set(Connecting, connecting(c.url))
}

// run keeps the camera connected, as its source says, until ctx ends or it is
// removed. Of many that start together each waits a little.
func (c *camera) run(ctx context.Context, alone bool, of int) {
	c.mu.Lock()
	if !alone {
		c.next = time.Now().Add(rand.N(time.Duration(of)*startEach + 1))
	}
	c.mu.Unlock()
	for c.turn(ctx) {
		c.connect(ctx)
	}
	c.mu.Lock()
	c.set(Off, off())
	c.mu.Unlock()
}

// startEach is what one camera more adds to the time over which they start.
const startEach = 5 * time.Millisecond

// turn waits until the camera is to be connected. It returns false when that
// will not be.
func (c *camera) turn(ctx context.Context) bool {
	for {
		c.mu.Lock()
		wait, wanted := time.Until(c.next), c.wanted()
		c.mu.Unlock()
		var due <-chan time.Time
		switch {
		case ctx.Err() != nil, c.removed():
			return false
		case wanted && wait <= 0:
			return true
		case wanted:
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return false
		case <-c.gone:
			return false
		case <-c.wake:
		case <-due: // is it wanted still?
		}
	}
}

// removed tells whether the source was removed.
func (c *camera) removed() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// change gives the camera a new source, which is tried at once.
func (c *camera) change(s Source, u *url.URL) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := c.source == s
	c.source, c.url, c.next = s, u, time.Time{}
	if same && c.try != nil {
		return
	}
	c.fails, c.status.played = 0, time.Time{}
	c.rest()
	if c.try != nil {
		c.try.cancel(errChanged)
	}
	notify(c.wake)
}

// remove ends the camera and its stream.
func (c *camera) remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.gone)
	if c.try != nil {
		c.try.cancel(hub.ErrEnded)
	}
}

// info returns what may be shown.
func (c *camera) info() Info {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := Info{
		Stream: c.stream, URL: redact.Camera().URL(c.url), Transport: c.source.Transport, When: c.source.When,
		Private: c.source.Private, Fixed: c.fixed,
		State: c.status.state, Text: c.status.text, Since: c.status.since.UnixMilli(),
	}
	if c.try == nil && c.wanted() && time.Now().Before(c.next) {
		i.RetryAt = c.next.UnixMilli()
	}
	return i
}
