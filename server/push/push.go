package push

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/redact"
)

// fixedPrefix begins the ids of the pushes of the settings.
const fixedPrefix = "settings-"

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

func newPush(m *Manager, id string, t Target, u *url.URL) *push {
	p := &push{
		m: m, id: id, given: t, url: u, wake: make(chan struct{}, 1), enabled: t.Enabled,
	}
	p.rest(m.cfg.Hub.Info(t.Stream).State)
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

// rest sets the state while nothing is sent, by that of the stream; mu is held.
func (p *push) rest(stream hub.State) {
	switch {
	case !p.enabled:
		p.set(Off, "Turned off.")
	case stream == hub.Live:
		p.set(Connecting, "Connecting.")
	default:
		p.set(Waiting, fmt.Sprintf("Starts when %s goes on air.", p.given.Stream))
	}
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
		p.rest(info.State)
	}
	return time.Until(p.air.next), p.enabled && info.State == hub.Live, p.removed
}

// enable turns the push on or off.
func (p *push) enable(enabled bool) {
	stream := p.m.cfg.Hub.Info(p.given.Stream).State
	p.mu.Lock()
	defer p.mu.Unlock()
	p.air.next = time.Time{} // turned on again, it is tried at once
	if p.enabled == enabled {
		notify(p.wake)
		return
	}
	p.enabled, p.air.fails = enabled, 0
	p.rest(stream)
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
