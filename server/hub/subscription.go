package hub

import (
	"sync"

	"github.com/heliograph/heliograph/server/auth"
)

// Subscription is one viewer's hold on a stream; what feeds sinks from the
// stream's tracks keeps one.
type Subscription struct {
	// set at construction
	stream *Stream
	person bool // counts as a viewer
	done   chan struct{}

	// guarded by mu
	mu      sync.Mutex
	reason  error
	changed func()
	ended   func(error)
}

func (s *Stream) watch(g auth.Grant) (*Subscription, error) {
	sub := &Subscription{stream: s, person: !g.System(), done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info.State != Live && s.info.State != Away {
		return nil, ErrNotLive
	}
	s.subscriptions[sub] = struct{}{}
	s.count(sub, 1)
	return sub, nil
}

// Stream returns the stream.
func (sub *Subscription) Stream() *Stream { return sub.stream }

// Bind sets what is called when the stream's tracks change and, once, when the
// subscription has ended. Neither may block.
func (sub *Subscription) Bind(changed func(), ended func(reason error)) {
	sub.mu.Lock()
	sub.changed, sub.ended = changed, ended
	reason := sub.reason
	sub.mu.Unlock()
	if reason != nil {
		ended(reason)
	}
}

// Done is closed when the subscription has ended; Reason then says why.
func (sub *Subscription) Done() <-chan struct{} { return sub.done }

// Reason returns why the subscription ended, nil while it lasts.
func (sub *Subscription) Reason() error {
	sub.mu.Lock()
	defer sub.mu.Unlock()
	return sub.reason
}

// Close ends the subscription; reason must not be nil.
func (sub *Subscription) Close(reason error) {
	s := sub.stream
	s.mu.Lock()
	if _, ok := s.subscriptions[sub]; ok {
		delete(s.subscriptions, sub)
		s.count(sub, -1)
	}
	s.mu.Unlock()
	sub.finish(reason)
}

func (sub *Subscription) finish(reason error) {
	sub.mu.Lock()
	if sub.reason != nil {
		sub.mu.Unlock()
		return
	}
	sub.reason = reason
	ended := sub.ended
	close(sub.done)
	sub.mu.Unlock()
	if ended != nil {
		ended(reason)
	}
}

func (sub *Subscription) tracksChanged() {
	sub.mu.Lock()
	changed := sub.changed
	sub.mu.Unlock()
	if changed != nil {
		changed()
	}
}
