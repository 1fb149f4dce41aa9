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
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/metric"
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
	maxReserved       = 512 // the same, of sites that have no other
	maxHandshakesNear = 32  // of one network, waiting ones included
	maxHandshakesSite = 128 // of all the networks that one party is given
	maxTries          = 4   // of one session

	// maxUnproven is how many bytes of ours one session may cost before it is
	// connected, five flights: until then nobody has shown that the client is
	// where it seems to be.
	maxUnproven = 4 << 10

	// soonDone is how long a handshake may take while others wait who have none:
	// an honest one needs two round trips.
	soonDone = time.Second
)

// Config is what a Desk needs.
type Config struct {
	Announced []netip.AddrPort // addresses of this server: who comes from there comes by the relay
	Log       *slog.Logger     // may be nil
	Metrics   *metric.Registry // may be nil
}

// Desk has the certificate and starts the handshakes of all sessions in the
// order in which they said hello, as many at once as there is room for. But who
// comes from a site that has none under way is served first, and may take the
// place of one of a site that has many: so nobody is kept out by a few who say
// hello and nothing more. A client whose hello finds no room repeats it by itself.
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
	running []*attempt             // the oldest first
	waiting []*attempt             // the same
	near    map[netip.AddrPort]int // of them all, by network
	sites   map[netip.AddrPort]int // the same, by site
	shares  map[netip.AddrPort]int // of those that run, by site
}

// counters are what a Desk counts.
type counters struct{ done, failed, refused *metric.Counter }

// attempt is one handshake of a session.
type attempt struct {
	association *Association
	pipe        *pipe
	network     netip.AddrPort // from which hello came; zero when it is not limited
	began       time.Time      // when it was started
	brokenOff   atomic.Bool    // by the desk, for another's sake
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
		wake: make(chan struct{}, 1),
		near: map[netip.AddrPort]int{}, sites: map[netip.AddrPort]int{}, shares: map[netip.AddrPort]int{},
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
	look := time.NewTicker(soonDone)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-look.C: // one may have had its time
		}
		d.start(ctx, &running)
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
