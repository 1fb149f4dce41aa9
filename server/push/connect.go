package push

import (
	"context"
	"errors"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
	"github.com/heliograph/heliograph/server/retry"
)

// steady is how long a target has to take the stream before its earlier failures
// are forgotten.
const steady = 10 * time.Second

// try is one connection.
type try struct {
	cancel context.CancelCauseFunc
	taken  atomic.Bool // the target takes the stream
	live   time.Time   // since when, guarded by the push's mu
}

// connect sends the stream once and settles how that ended.
func (p *push) connect(ctx context.Context) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t := p.begin(cancel)
	if t == nil {
		return
	}
	done := make(chan error, 1)
	go func() { done <- p.send(ctx, t) }()
	err := p.until(ctx, t, done)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.try = nil
	if !t.live.IsZero() && time.Since(t.live) >= steady {
		p.air.fails = 0
	}
	switch {
	case context.Cause(ctx) != nil:
	case over(err):
		p.air.next = time.Now().Add(time.Second) // should the stream be on air in spite of it
	default:
		p.failed(err, !t.live.IsZero())
	}
}

// over tells whether a stream ended rather than the way to its target.
func over(err error) bool {
	return errors.Is(err, hub.ErrEnded) || errors.Is(err, hub.ErrNotLive) || errors.Is(err, hub.ErrShutdown)
}

// begin notes that a connection begins; nil when it may not.
func (p *push) begin(cancel context.CancelCauseFunc) *try {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.enabled || p.removed { // between turn and here
		return nil
	}
	if p.air.fails == 0 {
		p.set(Connecting, "Connecting to "+p.url.Hostname()+".")
	} else { // what is wrong stays shown until it is over
		p.air.retries++
	}
	p.air.next = time.Time{}
	p.try = &try{cancel: cancel}
	return p.try
}

// until waits for the end of a connection, which it ends with the stream: one
// that still connects has not noticed.
func (p *push) until(ctx context.Context, t *try, done <-chan error) error {
	for {
		select {
		case err := <-done:
			return err
		case <-p.wake:
			if s := p.m.cfg.Hub.Info(p.given.Stream).State; s == hub.Offline || s == hub.Ended {
				t.cancel(hub.ErrEnded)
			}
		case <-ctx.Done():
			return <-done
		}
	}
}

// send calls the Sender. What a target answers must not end the server.
func (p *push) send(ctx context.Context, t *try) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.m.cfg.Log.Error("a push panicked", "push", p.id, "stream", p.given.Stream, "panic", r, "stack", string(debug.Stack()))
			err = errors.New("what it answered is beyond us, see the server's log")
		}
	}()
	target := *p.url
	open := func() (*hub.Subscription, error) { return p.m.cfg.Hub.Watch(ctx, p.m.cfg.Grant(p.given.Stream)) }
	return p.m.exit(p.given).Senders[p.url.Scheme].Send(ctx, &target, open, func(bytes int) { p.sent(t, bytes) })
}

// sent counts bytes that left.
func (p *push) sent(t *try, bytes int) {
	p.bytes.Add(int64(bytes))
	if t.taken.Load() || !t.taken.CompareAndSwap(false, true) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.try != t || !p.enabled {
		return
	}
	t.live = time.Now()
	p.set(Live, "On air at "+p.url.Hostname()+".")
	p.m.cfg.Log.Info("push live", "push", p.id, "stream", p.given.Stream, "host", p.url.Host)
}

// failed notes why a connection ended and when the next is made; mu is held.
func (p *push) failed(err error, played bool) {
	if err == nil {
		err = errors.New("it ended the stream")
	}
	rules := redact.Target(p.url.Scheme)
	detail := rules.Text(err.Error(), rules.Secrets(p.url))
	why := netguard.Why(err)
	p.air.fails++
	least, most := time.Second, 30*time.Second
	if why == netguard.Refusal { // time will hardly help
		least, most = 10*time.Minute, 10*time.Minute
	}
	p.air.next = time.Now().Add(retry.Delay(p.air.fails, least, most))
	if p.status.state != Retrying {
		p.m.cfg.Log.Warn("push not live", "push", p.id, "stream", p.given.Stream, "host", p.url.Host, "reason", detail)
	}
	p.set(Retrying, sentence(why, p.url, p.given.Private, played, detail))
}
