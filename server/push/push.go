package push

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
	"github.com/heliograph/heliograph/server/retry"
)

// fixedPrefix begins the ids of the pushes of the settings.
const fixedPrefix = "settings-"

// steady is how long a target has to take the stream before its earlier failures
// are forgotten.
const steady = 10 * time.Second

// push is one stream's way to one target.
type push struct {
	// set at construction
	m     *Manager
	id    string
	given Target // whose Enabled was so at the beginning
	url   *url.URL
	wake  chan struct{} // says that something changed for run

	// guarded by mu
	mu      sync.Mutex
	enabled bool
	removed bool
	status  status
	air     air
	try     *try // the connection, nil between two

	// atomic
	bytes atomic.Int64
}

// status is what is shown.
type status struct {
	state State
	text  string
	since time.Time
}

// air is one time of the stream on air.
type air struct {
	since   int64     // as the hub says it
	next    time.Time // not tried before
	fails   int       // in a row
	retries int
}

// try is one connection.
type try struct {
	cancel context.CancelCauseFunc
	taken  atomic.Bool // the target takes the stream
	live   time.Time   // since when, guarded by the push's mu
}

func newPush(m *Manager, id string, t Target, u *url.URL) *push {
	p := &push{
		m: m, id: id, given: t, url: u, wake: make(chan struct{}, 1), enabled: t.Enabled,
	}
	p.rest()
	return p
}

// fixed tells whether the push stands in the settings.
func (p *push) fixed() bool { return strings.HasPrefix(p.id, fixedPrefix) }

// set changes the state; mu is held. A state that goes on keeps its beginning.
func (p *push) set(s State, text string) {
	if p.status.state != s {
		p.status.since = time.Now()
	}
	p.status.state, p.status.text = s, text
}

// rest sets the state between two times on air; mu is held.
func (p *push) rest() {
	if !p.enabled {
		p.set(Off, "Turned off.")
		return
	}
	p.set(Waiting, fmt.Sprintf("Starts when %s goes on air.", p.given.Stream))
}

// run sends the stream whenever it is on air, until ctx ends or the push is
// removed.
func (p *push) run(ctx context.Context) {
	for p.turn(ctx) {
		p.connect(ctx)
	}
	p.mu.Lock()
	p.set(Off, "The server is stopping.")
	p.mu.Unlock()
}

// turn waits until the stream is to be sent. It returns false when that will
// not be.
func (p *push) turn(ctx context.Context) bool {
	for {
		wait, wanted, over := p.due()
		if over || ctx.Err() != nil {
			return false
		}
		if wanted && wait <= 0 {
			return true
		}
		var due <-chan time.Time
		if wanted {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return false
		case <-p.wake:
		case <-due:
		}
	}
}

// due tells whether and when the stream is to be sent, and whether the push was
// removed.
func (p *push) due() (wait time.Duration, wanted, over bool) {
	info := p.m.cfg.Hub.Info(p.given.Stream)
	p.mu.Lock()
	defer p.mu.Unlock()
	if info.State == hub.Live && info.Since != p.air.since { // another time on air
		p.air = air{since: info.Since}
		p.bytes.Store(0)
	}
	if !p.enabled || info.State == hub.Offline || info.State == hub.Ended {
		p.air.next = time.Time{}
		p.rest()
	}
	return time.Until(p.air.next), p.enabled && info.State == hub.Live, p.removed
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
	senders := p.m.cfg.Guarded
	if p.given.Private {
		senders = p.m.cfg.Free
	}
	target := *p.url
	open := func() (*hub.Subscription, error) { return p.m.cfg.Hub.Watch(ctx, p.m.cfg.Grant(p.given.Stream)) }
	return senders[p.url.Scheme].Send(ctx, &target, open, func(bytes int) { p.sent(t, bytes) })
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
	least := time.Second
	if why == netguard.Refusal { // time will hardly help
		least = 30 * time.Second
	}
	p.air.next = time.Now().Add(retry.Delay(p.air.fails, least, 30*time.Second))
	if p.status.state != Retrying {
		p.m.cfg.Log.Warn("push not live", "push", p.id, "stream", p.given.Stream, "host", p.url.Host, "reason", detail)
	}
	p.set(Retrying, sentence(why, p.url, p.given.Private, played, detail))
}

// enable turns the push on or off.
func (p *push) enable(enabled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.air.next = time.Time{} // turned on again, it is tried at once
	if p.enabled == enabled {
		notify(p.wake)
		return
	}
	p.enabled, p.air.fails = enabled, 0
	p.rest()
	if p.try != nil {
		p.try.cancel(errOff)
	}
	notify(p.wake)
}

// remove ends the push.
func (p *push) remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.removed = true
	if p.try != nil {
		p.try.cancel(errOff)
	}
	notify(p.wake)
}

// target returns what is stored of the push.
func (p *push) target() Target {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.given
	t.Enabled = p.enabled
	return t
}

// info returns what may be shown.
func (p *push) info() Info {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := Info{
		ID: p.id, Stream: p.given.Stream, URL: redact.Target(p.url.Scheme).URL(p.url), Enabled: p.enabled, Fixed: p.fixed(),
		State: p.status.state, Text: p.status.text, Since: p.status.since.UnixMilli(), Retries: p.air.retries, Bytes: p.bytes.Load(),
	}
	if p.try == nil && p.status.state == Retrying && time.Now().Before(p.air.next) {
		i.RetryAt = p.air.next.UnixMilli()
	}
	return i
}
