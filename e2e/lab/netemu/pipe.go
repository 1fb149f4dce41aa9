//go:build linux

package main

import (
	"context"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// pipe carries packets from one device to the other as its link says.
type pipe struct {
	// set at construction
	from io.Reader
	to   io.Writer
	wake chan struct{} // something changed that the writer has to know

	// guarded by mu
	mu   sync.Mutex
	link *link
}

func newPipe(from io.Reader, to io.Writer, l *link) *pipe {
	return &pipe{from: from, to: to, link: l, wake: make(chan struct{}, 1)}
}

// Run carries until ctx ends and the device it reads from is closed.
func (p *pipe) Run(ctx context.Context) error {
	both, ctx := errgroup.WithContext(ctx)
	both.Go(p.read)
	both.Go(func() error { return p.write(ctx) })
	return both.Wait()
}

func (p *pipe) read() error {
	return eachPacket(p.from, func(packet []byte) {
		p.mu.Lock()
		p.link.arrive(append([]byte(nil), packet...), time.Now())
		p.mu.Unlock()
		p.nudge()
	})
}

func (p *pipe) write(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.mu.Lock()
		arrived, next := p.link.due(time.Now())
		p.mu.Unlock()
		for _, data := range arrived {
			// A packet that the other host does not want is lost, as anywhere.
			_, _ = p.to.Write(data)
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-p.wake:
		}
	}
}

func (p *pipe) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *pipe) settings() settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.link.set
}

func (p *pipe) change(s settings) {
	p.mu.Lock()
	p.link.change(s, time.Now())
	p.mu.Unlock()
	p.nudge()
}

// report returns the counts so far; the deepest queue is that since the last report.
func (p *pipe) report() counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.link.counts
	p.link.counts.deepest = p.link.bytes
	return c
}
