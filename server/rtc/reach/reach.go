// Package reach answers one question: does anything get through to the media
// of this server, and by which ways? A client posts an offer and gets the
// answer of an ICE-lite peer that replies to authentic connectivity checks for
// a few seconds, by UDP, by TCP or through the relay, and does nothing else.
//
// It is open to everybody, for whoever cannot connect has no account yet. So
// it is cheap: a test is some hundred bytes, answers only those who know its
// password, with less than was asked with, and is forgotten by itself. It
// knows no stream, and nothing is logged; there are counters.
package reach

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/port/limit"
	"github.com/heliograph/heliograph/server/rtc/lite"
)

// Limits of tests.
const (
	life          = 20 * time.Second
	maxTests      = 2048 // in all
	maxPerNetwork = 64   // of one network
	maxAnswers    = 1024 // checks that one test answers
	postsPerSec   = 16   // of one network
	postsTotal    = 500  // a second, of all together
)

// Errors of opening a test.
var (
	errTooMany  = errors.New("too many tests")
	errShutdown = errors.New("the server stops")
)

// Config is what New needs. Port is required.
type Config struct {
	Port *port.Port
	// Links adds the TURN servers for a holder of credentials to a header, as
	// WHEP does. host is where the client reached the server. nil adds none.
	Links func(h http.Header, holder, host string)
	// Revoke ends the credentials of a holder.
	Revoke  func(holder string)
	Metrics *metric.Registry // nil counts unseen
}

// Door is the handler of POST /reach and the tests behind it.
type Door struct {
	// set at construction
	cfg    Config
	life   time.Duration
	posts  *limit.Sources
	counts counts

	// guarded by mu
	mu       sync.Mutex
	open     bool
	tests    []*test // the oldest first
	networks map[netip.Addr]int
}

// counts are the door's metrics.
type counts struct {
	opened, refused, checks *metric.Counter
}

// New returns a door that refuses everybody until Run.
func New(cfg Config) *Door {
	if cfg.Links == nil {
		cfg.Links = func(http.Header, string, string) {}
	}
	if cfg.Revoke == nil {
		cfg.Revoke = func(string) {}
	}
	d := &Door{cfg: cfg, life: life, posts: limit.NewSources(postsPerSec, postsTotal), networks: map[netip.Addr]int{}}
	d.counts = counts{
		opened:  cfg.Metrics.Counter("heliograph_reach_tests_total", "Tests of reachability begun."),
		refused: cfg.Metrics.Counter("heliograph_reach_refused_total", "Tests of reachability refused by a limit."),
		checks:  cfg.Metrics.Counter("heliograph_reach_checks_total", "Connectivity checks answered by tests of reachability."),
	}
	cfg.Metrics.GaugeFunc("heliograph_reach_tests", "Tests of reachability that are open.", func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(len(d.tests))
	})
	return d
}

// Run opens the door until ctx ends, and forgets tests whose time is over.
func (d *Door) Run(ctx context.Context) error {
	d.mu.Lock()
	d.open = true
	d.mu.Unlock()
	tick := time.NewTicker(d.life / 20)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.shut()
			return nil
		case now := <-tick.C:
			d.forget(now)
		}
	}
}

// test is one ICE session that leads nowhere.
type test struct {
	// set at construction
	door        *Door
	credentials lite.Credentials
	network     netip.Addr // the zero Addr is not counted
	ends        time.Time
	// atomic
	answers atomic.Int32
	ended   atomic.Bool
}

// begin makes a test for a client and registers it.
func (d *Door) begin(from netip.Addr) (*test, error) {
	t := &test{door: d, credentials: lite.NewCredentials(), ends: time.Now().Add(d.life)}
	if !from.IsLoopback() { // that is the operator, or his proxy and so everybody
		t.network = limit.Network(from)
	}
	gone, err := d.add(t)
	d.end(gone)
	if err != nil {
		return nil, err
	}
	if err := d.cfg.Port.Register(t.credentials.Ufrag, t); err != nil {
		return nil, err // t is forgotten when its time is over
	}
	return t, nil
}

// add takes a test on. When there are too many, the oldest makes room: it has
// had the most time to find its answer.
func (d *Door) add(t *test) (gone []*test, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.open:
		return nil, errShutdown
	case t.network.IsValid() && d.networks[t.network] >= maxPerNetwork:
		return nil, errTooMany
	case len(d.tests) >= maxTests:
		gone = d.take(1)
	}
	d.tests = append(d.tests, t)
	d.networks[t.network]++
	return gone, nil
}

// take removes the n oldest tests from the table; mu is held.
func (d *Door) take(n int) []*test {
	gone := slices.Clone(d.tests[:n])
	d.tests = slices.Delete(d.tests, 0, n)
	for _, t := range gone {
		if d.networks[t.network]--; d.networks[t.network] == 0 {
			delete(d.networks, t.network)
		}
	}
	return gone
}

// forget ends the tests whose time is over.
func (d *Door) forget(now time.Time) {
	d.mu.Lock()
	n := 0
	for n < len(d.tests) && now.After(d.tests[n].ends) {
		n++
	}
	gone := d.take(n)
	d.mu.Unlock()
	d.end(gone)
}

// shut ends all tests and takes no more.
func (d *Door) shut() {
	d.mu.Lock()
	d.open = false
	gone := d.take(len(d.tests))
	d.mu.Unlock()
	d.end(gone)
}

// end takes back what tests were given.
func (d *Door) end(gone []*test) {
	for _, t := range gone {
		t.ended.Store(true)
		d.cfg.Port.Unregister(t.credentials.Ufrag)
		d.cfg.Revoke(t.holder())
	}
}

// holder names the test to the TURN server.
func (t *test) holder() string { return "reach " + t.credentials.Ufrag }

// Receive answers a check (port.Receiver). The port is not told to Learn the
// address: a test wants no DTLS and no media, and must not take an address
// from a session that has some.
func (t *test) Receive(b []byte, from netip.AddrPort) {
	k, ok := lite.ParseCheck(b)
	if !ok || !k.ProvenBy(t.credentials) || t.answers.Add(1) > maxAnswers {
		return
	}
	p := t.door.cfg.Port
	if answer := k.Answer(t.credentials, p.Remote(from)); answer != nil && p.Send(answer, from) == nil {
		t.door.counts.checks.Inc()
	}
}
