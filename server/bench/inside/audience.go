package inside

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

const (
	consentEvery = 10 * time.Second // between two checks of one viewer
	readEvery    = 10 * time.Millisecond
	settleTime   = 200 * time.Millisecond // for the sender to take up who has joined
)

var errNoBatch = errors.New("this needs Linux: only its kernel can throw away what comes for a viewer without waking anybody")

// audience are the viewers, in the order of their joining.
type audience struct {
	// set at construction
	identity *client.Identity

	// owned by join, then by keep
	clients     []*client.Client
	first, last *probe
	joining     time.Duration

	// atomic
	reading atomic.Bool  // the probes are read
	cpu     atomic.Int64 // ns that keep has used
}

// join connects the viewers up to number upTo of all, one after another. The
// first and the last one are probes.
func (a *audience) join(ctx context.Context, h *house, upTo, all int) error {
	began := time.Now()
	for i := len(a.clients); i < upTo; i++ {
		p := &probe{}
		switch i {
		case 0:
			a.first = p
		case all - 1:
			a.last = p
			if err := sleep(ctx, settleTime); err != nil { // so that it is the last in the order of sending, too
				return err
			}
		}
		if err := a.connect(ctx, h, p); err != nil {
			return fmt.Errorf("viewer %d could not join: %w", i+1, err)
		}
		if i != 0 && i != all-1 {
			if err := p.client.Deafen(); err != nil {
				return fmt.Errorf("viewer %d: %w", i+1, err)
			}
		}
	}
	a.joining = time.Since(began)
	return sleep(ctx, settleTime)
}

func (a *audience) connect(ctx context.Context, h *house, p *probe) (err error) {
	if p.client, err = client.New(a.identity, net.IPv4(127, 0, 0, 1), p); err != nil {
		return err
	}
	a.clients = append(a.clients, p.client)
	o, err := offer.Parse(p.client.Offer(), offer.ToWatch)
	if err != nil {
		return err
	}
	sub, err := h.watch(ctx)
	if err != nil {
		return err
	}
	_, answer, err := h.engine.Watch(sub, o)
	if err != nil {
		return err
	}
	if err := p.client.Accept(answer); err != nil {
		return err
	}
	if err := p.client.Connect(ctx); err != nil {
		return err
	}
	if !p.client.Detach() {
		return errNoBatch
	}
	return nil
}

// keep reads the probes and keeps the viewers' consent until ctx ends. It has
// a thread of its own, so that its CPU time can be told from the server's.
func (a *audience) keep(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began := threadCPU()
	tick := time.NewTicker(readEvery)
	defer tick.Stop()
	batch, checked := client.NewBatch(), 0.0
	each := float64(len(a.clients)) * float64(readEvery) / float64(consentEvery)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if a.reading.Load() {
				batch.Read(a.first.client)
				batch.Read(a.last.client)
			}
			for before := int(checked); int(checked+each) > before; before++ {
				a.clients[before%len(a.clients)].Check(now)
			}
			checked += each
			a.cpu.Store(int64(threadCPU() - began))
		}
	}
}

func (a *audience) close() {
	for _, c := range a.clients {
		c.Close()
	}
}
