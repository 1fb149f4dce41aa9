package pull

import (
	"context"
	"errors"
	"time"

	"github.com/heliograph/heliograph/server/hub"
)

// How long a viewer waits for a camera: altogether, and for one that failed to
// be tried again.
const (
	findTime    = 10 * time.Second
	findBackoff = 3 * time.Second
)

// Find implements hub.Finder: it connects the camera of a stream and returns
// when it plays. It returns hub.ErrNotLive for a stream that has no source, an
// *hub.UnavailableError that says why the camera does not play, or ctx's error.
func (m *Manager) Find(ctx context.Context, stream string) error {
	c := m.camera(stream)
	if c == nil {
		return hub.ErrNotLive
	}
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, errSlow)
	defer cancel()
	began := c.ask()
	defer c.asked()
	for {
		changed, err := c.answer(began)
		if changed == nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errSlow) {
				return &hub.UnavailableError{Detail: "The camera of this stream takes long to answer. Try again in a moment."}
			}
			return ctx.Err()
		}
	}
}

// errSlow ends a Find that takes too long.
var errSlow = errors.New("the camera takes long to answer")

// ask notes that a viewer waits, and returns how many connections there were
// before.
func (c *camera) ask() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want.asking++
	notify(c.wake)
	return c.tries
}

// asked notes that the viewer has got its answer. It subscribes now, so the
// camera is kept for a while.
func (c *camera) asked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want.asking--
	c.left()
}

// answer tells a viewer that asked before the connection of this number began:
// nil when the camera plays, or why it does not. When that is not known yet it
// returns what is closed with the next change.
func (c *camera) answer(began int) (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := time.Until(c.next)
	failed := c.try == nil && wait > 0 && (c.tries > began || wait > findBackoff)
	switch {
	case c.status.state == Live:
		return nil, nil
	case failed, c.status.state == Off:
		return nil, &hub.UnavailableError{Detail: c.status.public}
	}
	return c.status.changed, nil
}
