package rtc

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/heliograph/heliograph/server/hub"
)

// maxFollows is how many streams one connection may follow.
const maxFollows = 32

// follows tells connections of the streams that they follow: a hub.Observer
// that only notes what changed; one goroutine then sends the newest state, so
// that no follower ever gets an older state after a newer one.
type follows struct {
	// set at construction
	hub  *hub.Hub
	wake chan struct{}

	// guarded by mu
	mu      sync.Mutex
	streams map[string]map[*Channel]struct{}
	changed map[string]struct{}
	ended   map[string]hub.Info              // the last state of streams that have just ended
	fresh   map[*Channel]map[string]struct{} // began to follow, gets the state now
	data    []delivery                       // data messages that wait to be sent
}

// maxDeliveries bounds the data messages that wait to be sent.
const maxDeliveries = 256

// delivery is a data message and who followed its stream when it came.
type delivery struct {
	message dataMessage
	to      []*Channel
}

func newFollows(h *hub.Hub) *follows {
	return &follows{
		hub: h, wake: make(chan struct{}, 1),
		streams: map[string]map[*Channel]struct{}{}, changed: map[string]struct{}{}, ended: map[string]hub.Info{},
		fresh: map[*Channel]map[string]struct{}{},
	}
}

// StreamEvent implements hub.Observer.
func (f *follows) StreamEvent(e hub.Event) {
	f.mu.Lock()
	_, followed := f.streams[e.Info.Name]
	switch {
	case !followed:
	case e.Kind == hub.StreamData:
		if len(f.data) < maxDeliveries {
			f.data = append(f.data, delivery{newData(e.Info.Name, *e.Data), slices.Collect(maps.Keys(f.streams[e.Info.Name]))})
		}
	default:
		f.changed[e.Info.Name] = struct{}{}
		if e.Kind == hub.StreamEnded {
			f.ended[e.Info.Name] = e.Info
		}
	}
	f.mu.Unlock()
	if followed {
		f.signal()
	}
}

func (f *follows) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// add makes a connection follow a stream; following twice sends the state again.
func (f *follows) add(c *Channel, stream string) {
	f.mu.Lock()
	put(f.streams, stream, c)
	put(f.fresh, c, stream)
	f.mu.Unlock()
	f.signal()
}

func (f *follows) remove(c *Channel, stream string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	take(f.streams, stream, c)
	take(f.fresh, c, stream)
}

// run sends states until ctx ends.
func (f *follows) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
			f.send()
		}
	}
}

// send tells every follower of what changed.
func (f *follows) send() {
	f.mu.Lock()
	due := map[string]map[*Channel]struct{}{}
	for stream := range f.changed {
		for c := range f.streams[stream] {
			put(due, stream, c)
		}
	}
	for c, streams := range f.fresh {
		for stream := range streams {
			put(due, stream, c)
		}
	}
	ended, joined, data := f.ended, f.fresh, f.data
	f.ended, f.fresh, f.data = map[string]hub.Info{}, map[*Channel]map[string]struct{}{}, nil
	clear(f.changed)
	f.mu.Unlock()
	for stream, channels := range due {
		m := streamMessage{Ch: "rtc", Type: "stream", Stream: f.hub.Info(stream)}
		if last, ok := ended[stream]; ok && m.Stream.State == hub.Offline {
			m.Stream = last
		}
		for c := range channels {
			c.send(m)
		}
	}
	f.sendMetadata(joined)
	for _, d := range data {
		for _, c := range d.to {
			c.send(d.message)
		}
	}
}

// sendMetadata tells those who have just joined what describes their stream.
func (f *follows) sendMetadata(joined map[*Channel]map[string]struct{}) {
	for c, streams := range joined {
		for stream := range streams {
			if d := f.hub.Metadata(stream); d != nil {
				c.send(newData(stream, *d))
			}
		}
	}
}

func put[K, V comparable](m map[K]map[V]struct{}, k K, v V) {
	if m[k] == nil {
		m[k] = map[V]struct{}{}
	}
	m[k][v] = struct{}{}
}

func take[K, V comparable](m map[K]map[V]struct{}, k K, v V) {
	delete(m[k], v)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}
