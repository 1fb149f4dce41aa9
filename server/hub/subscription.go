package hub

import "sync"

// Subscription is one viewer's hold on a stream; what feeds sinks from the
// stream's tracks keeps one.
type Subscription struct {
	// set at construction
	stream  *Stream
	options WatchOptions
	done    chan struct{}

	// guarded by once
	once   sync.Once
	reason error
}

func (s *Stream) watch(o WatchOptions) (*Subscription, error) {
	sub := &Subscription{stream: s, options: o, done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.info.State != Live && s.info.State != Away {
		return nil, ErrNotLive
	}
	s.subscriptions[sub] = struct{}{}
	s.countChanged()
	return sub, nil
}

// Stream returns the stream.
func (sub *Subscription) Stream() *Stream { return sub.stream }

// Done is closed when the subscription has ended; Reason then says why.
func (sub *Subscription) Done() <-chan struct{} { return sub.done }

// Reason returns why the subscription ended, nil while it lasts.
func (sub *Subscription) Reason() error {
	select {
	case <-sub.done:
		return sub.reason
	default:
		return nil
	}
}

// Close ends the subscription.
func (sub *Subscription) Close(reason error) {
	s := sub.stream
	s.mu.Lock()
	if _, ok := s.subscriptions[sub]; ok {
		delete(s.subscriptions, sub)
		s.countChanged()
	}
	s.mu.Unlock()
	sub.finish(reason)
}

func (sub *Subscription) finish(reason error) {
	sub.once.Do(func() {
		sub.reason = reason
		close(sub.done)
	})
}
