package pull

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"runtime/debug"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
)

// linger is how long a camera plays on without viewers, where it is pulled only
// while watched.
const linger = 10 * time.Second

// steady is how long a camera has to play before its earlier failures are
// forgotten.
const steady = 10 * time.Second

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
	changed chan struct{} // closed with the next change of anything
}

// want is who wants a camera that is pulled while watched.
type want struct {
	held   int       // subscriptions to the stream
	asking int       // calls of Find
	last   time.Time // when there was anybody, if there is nobody now
}

// try is one connection.
type try struct {
	cancel context.CancelCauseFunc
	idle   *time.Timer // ends it for lack of viewers
	live   time.Time   // zero before
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

// wanted tells whether the camera is to be connected; mu is held.
func (c *camera) wanted() bool {
	return c.source.When == always || c.want.asking > 0 || time.Since(c.want.last) < linger
}

// connect plays the camera once and settles how that ended.
func (c *camera) connect(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r, s := c.begin(cancel)
	err := c.play(ctx, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.try
	c.try = nil
	c.tries++
	if t.idle != nil {
		t.idle.Stop()
	}
	played := !t.live.IsZero()
	if played && time.Since(t.live) >= steady {
		c.fails = 0
	}
	if played && c.want.held > 0 { // they wait for it to come back
		c.want.last = time.Now()
	}
	switch cause := context.Cause(ctx); {
	case cause == nil:
		c.failed(s, err, played)
	case errors.Is(cause, errChanged):
		c.rest()
	case errors.Is(cause, hub.ErrEnded): // nobody watches
		c.set(Waiting, unwatched())
	}
}

// begin notes that a connection begins and returns what to ask for.
func (c *camera) begin(cancel context.CancelCauseFunc) (Request, Source) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &try{cancel: cancel}
	c.try = t
	s := c.source
	if s.When == watched {
		t.idle = time.AfterFunc(linger, c.idle)
	}
	if c.fails == 0 { // else what is wrong stays shown until it is over
		c.set(Connecting, connecting(c.url))
	}
	c.next = time.Time{}
	if c.removed() { // between turn and here
		cancel(hub.ErrEnded)
	}
	u := *c.url
	return Request{
		URL: &u, Transport: s.Transport, Grant: c.m.cfg.Grant(c.stream), Dial: c.m.guard(s).Dial, Live: func() { c.live(t) },
	}, s
}

// play calls the Opener. What a camera sends must not end the server.
func (c *camera) play(ctx context.Context, r Request) (err error) {
	defer func() {
		if r := recover(); r != nil {
			c.m.cfg.Log.Error("pulling a source panicked", "stream", c.stream, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: what it sent is beyond us, see the server's log", ErrUnreachable)
		}
	}()
	return c.m.cfg.Opener.Pull(ctx, r)
}

// live notes that the camera plays.
func (c *camera) live(t *try) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.try != t || !t.live.IsZero() {
		return
	}
	t.live = time.Now()
	c.set(Live, playing(c.source.When == watched))
	c.m.cfg.Log.Info("source live", "stream", c.stream, "host", c.url.Host)
}

// failed notes why a connection ended and when the next is made; mu is held.
func (c *camera) failed(s Source, err error, played bool) {
	rules := redact.Camera()
	d := diagnose(err)
	if d.state == Unreachable && played {
		d.reason = netguard.Broken
	}
	if err == nil {
		err = ErrUnreachable
	}
	detail := rules.Text(err.Error(), rules.Secrets(c.url))
	c.fails++
	c.next = time.Now().Add(d.delay(c.fails))
	if d.state != c.status.state {
		c.m.cfg.Log.Warn("source not live", "stream", c.stream, "host", c.url.Host, "state", d.state, "reason", detail)
	}
	c.set(d.state, d.words(c.url, s, detail))
}

// idle ends the connection when nobody watches any more, or waits on. The hub is
// asked, because its events may overtake each other.
func (c *camera) idle() {
	held := c.m.cfg.Hub.Info(c.stream).Held
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.try == nil || c.try.idle == nil {
		return
	}
	if held > 0 || c.want.held > 0 || c.want.asking > 0 {
		c.want.held, c.want.last = held, time.Now()
	}
	if left := linger - time.Since(c.want.last); left > 0 {
		c.try.idle.Reset(left)
		return
	}
	c.try.cancel(hub.ErrEnded)
}

// left notes that somebody who wanted the camera is gone; mu is held.
func (c *camera) left() {
	c.want.last = time.Now()
	if c.try != nil && c.try.idle != nil && c.want.held == 0 && c.want.asking == 0 {
		c.try.idle.Reset(linger)
	}
}

// observe takes what happened to the stream, whoever publishes it.
func (c *camera) observe(e hub.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.want.held
	c.want.held = e.Info.Held
	if e.Kind == hub.StreamEnded {
		c.want.held = 0
	}
	if before > 0 && c.want.held == 0 && c.try != nil {
		c.left()
	}
	if e.Kind == hub.StreamEnded && c.try == nil && c.status.state == Waiting && c.fails > 0 {
		c.next = time.Time{} // the name is free now
		notify(c.wake)
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
	c.fails = 0
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
