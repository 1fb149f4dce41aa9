// Package handshake secures a session by DTLS (RFC 5763, RFC 5764) and keeps
// next to nothing afterwards: no goroutine and some 300 bytes, with which it
// repeats our last flight, understands the client's goodbye and says ours.
// Handshakes are bounded in number, time and bytes.
//
// It knows no stream, no socket and no ICE: its owner sends what it is given to
// where the client is, and passes on only what came from an address that has
// passed an ICE check.
package handshake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/limit"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
)

// Ends of a session that DTLS brings about.
var (
	ErrFingerprint = errors.New("the certificate is not the one that the offer named")
	ErrFailed      = errors.New("the DTLS handshake failed")
	ErrHungUp      = errors.New("the client closed the connection")

	errProfile = errors.New("the client asked for no SRTP")
	errFault   = errors.New("a fault of the server")
)

// Bounds of DTLS handshakes. One costs about 50 kB while it lasts.
const (
	handshakeTime     = 10 * time.Second
	maxHandshakes     = 512 // under way
	maxWaiting        = 512 // for their start
	maxHandshakesNear = 32  // of one network, waiting ones included
	maxHandshakesSite = 128 // of all the networks that one party is given
	maxTries          = 4   // of one session
)

// Config is what a Desk needs.
type Config struct {
	Announced []netip.AddrPort // addresses of this server: who comes from there is not limited
	Log       *slog.Logger     // may be nil
	Metrics   *metric.Registry // may be nil
}

// Desk has the certificate and starts the handshakes of all sessions in the
// order in which they said hello, as many at once as there is room for. A
// client whose hello finds no room repeats it by itself.
type Desk struct {
	// set at construction
	certificate tls.Certificate
	own         []netip.Addr
	limit       time.Duration // of one handshake
	log         *slog.Logger
	count       counters
	wake        chan struct{}

	// guarded by mu
	mu      sync.Mutex
	running int
	near    map[netip.Addr]int
	sites   map[netip.Prefix]int
	waiting []*attempt
}

// counters are what a Desk counts.
type counters struct{ done, failed, refused *metric.Counter }

// attempt is one handshake of a session.
type attempt struct {
	association *Association
	pipe        *pipe
	network     netip.Addr // from which hello came; the zero Addr when it is not limited
}

// New returns a desk with a new certificate, whose key exists in memory only.
func New(cfg Config) (*Desk, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the DTLS key: %w", err)
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, fmt.Errorf("make the DTLS certificate: %w", err)
	}
	r := cfg.Metrics
	d := &Desk{
		certificate: certificate, limit: handshakeTime, log: cfg.Log,
		wake: make(chan struct{}, 1), near: map[netip.Addr]int{}, sites: map[netip.Prefix]int{},
		count: counters{
			done:    r.Counter("heliograph_egress_handshakes_total", "DTLS handshakes of viewers that succeeded."),
			failed:  r.Counter("heliograph_egress_failed_handshakes_total", "DTLS handshakes of viewers that failed or took too long."),
			refused: r.Counter("heliograph_egress_refused_handshakes_total", "DTLS hellos of viewers that found no room."),
		},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	for _, a := range cfg.Announced {
		d.own = append(d.own, a.Addr())
	}
	return d, nil
}

// Fingerprint is that of the certificate, as an answer writes it: "sha-256
// AB:CD…" (RFC 8122 section 5).
func (d *Desk) Fingerprint() string {
	sum := sha256.Sum256(d.certificate.Certificate[0])
	return "sha-256 " + colons(sum[:])
}

// Run starts handshakes until ctx ends, and with it those under way.
func (d *Desk) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
			d.start(ctx, &running)
		}
	}
}

// network returns under what a client's handshakes are counted. Not limited
// are this machine and those that come by the relay, which have its address
// and limits of their own.
func (d *Desk) network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.IsLoopback() || slices.Contains(d.own, a) {
		return netip.Addr{}
	}
	return limit.Network(a)
}

// enter has a handshake wait for its start; false when there is no room.
func (d *Desk) enter(a *attempt) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == maxWaiting || a.network.IsValid() && d.crowded(a.network) {
		d.count.refused.Inc()
		return false
	}
	d.waiting = append(d.waiting, a)
	if a.network.IsValid() {
		d.near[a.network]++
		d.sites[site(a.network)]++
	}
	d.rouse()
	return true
}

// crowded tells whether a network has had its share; mu is held.
func (d *Desk) crowded(network netip.Addr) bool {
	return d.near[network] == maxHandshakesNear || d.sites[site(network)] == maxHandshakesSite
}

// site is what one party may have of networks: up to a /48 of IPv6 (RFC 6177),
// with which it could take every place, and a single address of IPv4.
func site(network netip.Addr) netip.Prefix {
	p, _ := network.Prefix(min(48, network.BitLen())) // fails for none of these lengths
	return p
}

func (d *Desk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// start begins the handshakes for which there is room; each ends with ctx.
func (d *Desk) start(ctx context.Context, running *sync.WaitGroup) {
	for a := d.next(); a != nil; a = d.next() {
		running.Go(func() {
			defer d.ended(a)
			a.association.handshake(ctx, a)
		})
	}
}

func (d *Desk) next() *attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 || d.running == maxHandshakes {
		return nil
	}
	a := d.waiting[0]
	d.waiting = slices.Delete(d.waiting, 0, 1)
	d.running++
	return a
}

func (d *Desk) ended(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.running--
	d.forget(a)
	d.rouse()
}

// leave takes a handshake from the queue, if it still waits there.
func (d *Desk) leave(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.waiting, a); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
		d.forget(a)
	}
}

// forget gives a network its place back; mu is held.
func (d *Desk) forget(a *attempt) {
	if !a.network.IsValid() {
		return
	}
	if d.near[a.network]--; d.near[a.network] == 0 {
		delete(d.near, a.network)
	}
	of := site(a.network)
	if d.sites[of]--; d.sites[of] == 0 {
		delete(d.sites, of)
	}
}
