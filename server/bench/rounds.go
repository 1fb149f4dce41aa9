package bench

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
)

// A round reads the sockets of all viewers that have joined, each once in
// roundTime. Nobody is woken by a packet: what a frame brings to a viewer is
// read with one system call some milliseconds later, with the times at which
// the kernel got it. That is what makes a viewer cheap, and it leaves the cost
// of waking up a receiver out of the server's bill, which is where it would
// fall if both are on one machine, and nowhere else.
const (
	roundTime   = 20 * time.Millisecond
	roundSlices = 5 // in turn, so that the work comes evenly
)

// rounds is a goroutine for each processor that serves the joined viewers.
type rounds struct {
	// guarded by mu
	mu      sync.Mutex
	viewers [][]*viewer // one list for each goroutine
	joined  int
}

func newRounds() *rounds {
	return &rounds{viewers: make([][]*viewer, runtime.GOMAXPROCS(0))}
}

// add begins to serve a viewer, and does so to the end.
func (r *rounds) add(v *viewer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := &r.viewers[r.joined%len(r.viewers)]
	r.joined++
	*list = append(*list, v)
}

// Run serves until ctx ends.
func (r *rounds) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.viewers {
		wg.Go(func() { r.serve(ctx, i) })
	}
	wg.Wait()
}

func (r *rounds) serve(ctx context.Context, list int) {
	tick := time.NewTicker(roundTime / roundSlices)
	defer tick.Stop()
	batch := client.NewBatch()
	var scratch []byte
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for i := n % roundSlices; ; i += roundSlices {
				v := r.at(list, i)
				if v == nil {
					break
				}
				batch.Read(v.client)
				scratch = v.tell(now, scratch[:0])
			}
		}
	}
}

func (r *rounds) at(list, i int) *viewer {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i >= len(r.viewers[list]) {
		return nil
	}
	return r.viewers[list][i]
}
