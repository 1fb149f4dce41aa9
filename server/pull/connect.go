package pull

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
)

// steady is how long a camera has to play before its earlier failures are
// forgotten.
const steady = 10 * time.Second

// try is one connection.
type try struct {
	cancel context.CancelCauseFunc
	idle   *time.Timer // ends it for lack of viewers
	live   time.Time   // zero before
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
	played, cause := !t.live.IsZero(), context.Cause(ctx)
	if played && !errors.Is(cause, errChanged) { // else it was another camera
		c.status.played = time.Now()
	}
	if played && time.Since(t.live) >= steady {
		c.fails = 0
	}
	if played && c.want.held > 0 { // they wait for it to come back
		c.want.last = time.Now()
	}
	switch {
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
	d.played = c.status.played
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
