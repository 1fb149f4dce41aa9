package app

import (
	"context"
	"fmt"
	"time"
)

// running are the parts that were started.
type running struct {
	parts  []*runningPart
	failed chan error // of the first that ended by itself
}

type runningPart struct {
	part
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of one that was stopped; valid once done is closed
}

// start runs every part. Each has a context of its own that ctx does not end:
// they are stopped one after the other.
func start(ctx context.Context, parts []part) *running {
	r := &running{failed: make(chan error, len(parts))}
	for _, p := range parts {
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		rp := &runningPart{part: p, cancel: cancel, done: make(chan struct{})}
		r.parts = append(r.parts, rp)
		go func() {
			defer close(rp.done)
			err := rp.Run(own)
			switch {
			case own.Err() != nil:
				rp.err = err
			case err == nil:
				r.failed <- fmt.Errorf("%w: %s", ErrEnded, rp.name)
			default:
				r.failed <- fmt.Errorf("%w: %s: %w", ErrEnded, rp.name, err)
			}
		}()
	}
	return r
}

// wait returns nil when ctx ends, or why a part ended by itself.
func (r *running) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return err
	}
}

// stop ends the parts in order. What takes too long gets no more time, and
// neither do those after it, but all are told.
func (r *running) stop() error {
	deadline := time.NewTimer(shutdownTime)
	defer deadline.Stop()
	for i, p := range r.parts {
		p.cancel()
		select {
		case <-p.done:
		case <-deadline.C:
			for _, rest := range r.parts[i:] {
				rest.cancel()
			}
			return fmt.Errorf("%w: %s still runs", ErrShutdown, p.name)
		}
	}
	for _, p := range r.parts {
		if p.err != nil {
			return fmt.Errorf("stopping %s: %w", p.name, p.err)
		}
	}
	return nil
}
