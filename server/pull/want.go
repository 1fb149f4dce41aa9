package pull

import (
	"time"

	"github.com/heliograph/heliograph/server/hub"
)

// linger is how long a camera plays on without viewers, where it is pulled only
// while watched.
const linger = 10 * time.Second

// want is who wants a camera that is pulled while watched.
type want struct {
	held   int       // subscriptions to the stream
	asking int       // calls of Find
	last   time.Time // when there was anybody, if there is nobody now
}

// wanted tells whether the camera is to be connected; mu is held.
func (c *camera) wanted() bool {
	return c.source.When == always || c.want.asking > 0 || time.Since(c.want.last) < linger
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
