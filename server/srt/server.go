package srt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"time"

	gosrt "github.com/datarhei/gosrt"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of the listener.
const (
	maxSessions       = 512
	maxPerNetwork     = 64  // loopback has no such limit
	requestsPerSecond = 10  // of one network
	requestsInAll     = 100 // a second
)

// quiet is how long nothing may have been refused before the next refusal by a
// limit is logged again.
const quiet = time.Minute

// latency is the least that we ask for. The caller's own wish counts when it is
// longer, so the encoder's or player's setting decides.
const latency = 20 * time.Millisecond

// payload is seven packets of a transport stream, as all callers expect them.
const payload = 1316

// Checker is what the door asks about everybody; auth.Service is one.
type Checker interface {
	auth.Checker
	CheckProof(ctx context.Context, r auth.Request, proves func(secret string) bool) (auth.Grant, error)
}

// Config is what a Server needs. Hub and Checker are required.
type Config struct {
	Listen     string // UDP address, as ":8890"
	Passphrase string // 10 to 79 characters that every connection must be encrypted with, "" for none
	Hub        *hub.Hub
	Checker    Checker
	Log        *slog.Logger     // nil discards
	Metrics    *metric.Registry // nil counts unseen
}

// Server listens for callers.
type Server struct {
	// set at construction
	cfg      Config
	log      *slog.Logger
	listener gosrt.Listener
	overseer *overseer
	sessions *sessions
	requests *limit.Sources
	refused  *metric.Counter
	received *metric.Counter
	sent     *metric.Counter
	silence  time.Duration // after which a publisher is closed

	// owned by Run
	saidLimit time.Time
}

// errGarbage is a datagram that the library cannot read.
var errGarbage = errors.New("malformed handshake")

// New listens, and answers nobody until Run.
func New(cfg Config) (*Server, error) {
	if cfg.Hub == nil || cfg.Checker == nil {
		return nil, errors.New("srt needs a hub and a checker")
	}
	if n := len(cfg.Passphrase); n > 0 && (n < minPassphrase || n > maxPassphrase) {
		return nil, errors.New("the passphrase for SRT has to have 10 to 79 characters")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, log: cfg.Log, sessions: newSessions(), requests: limit.NewSources(requestsPerSecond, requestsInAll), silence: silence}
	s.overseer = newOverseer(s.sessions)
	addr, err := net.ResolveUDPAddr("udp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("the address for SRT: %w", err)
	}
	if err := vacant(addr); err != nil {
		return nil, fmt.Errorf("listening for SRT: %w", err)
	}
	c := gosrt.DefaultConfig()
	c.Logger = s.overseer
	c.PayloadSize = payload
	c.ReceiverLatency, c.PeerLatency = latency, latency
	s.listener, err = gosrt.Listen("srt", addr.String(), c)
	if err != nil {
		return nil, fmt.Errorf("listening for SRT: %w", err)
	}
	m := cfg.Metrics
	s.refused = m.Counter("heliograph_srt_refused_total", "SRT connections refused.")
	s.received = m.Counter("heliograph_srt_received_bytes_total", "Bytes of media received over SRT.")
	s.sent = m.Counter("heliograph_srt_sent_bytes_total", "Bytes of media sent over SRT, without retransmissions.")
	m.GaugeFunc("heliograph_srt_connections", "SRT connections that are open.", func() float64 { return float64(s.sessions.len()) })
	return s, nil
}

// vacant tells whether nobody has an address yet: the library would share it,
// and each of two servers would get half of the packets.
func vacant(addr *net.UDPAddr) error {
	c, err := net.ListenUDP("udp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

// Addr is where the server listens, as "host:port".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Run serves until ctx ends; then it closes every connection with
// hub.ErrShutdown and returns when the last has ended. It returns an error only
// when the socket failed.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { s.watch(ctx) })
	stop := context.AfterFunc(ctx, func() {
		for _, x := range s.sessions.all() {
			x.close(hub.ErrShutdown)
		}
		s.listener.Close()
	})
	var failed error
	for failed == nil {
		request, err := s.next()
		switch {
		case errors.Is(err, errGarbage):
			s.refused.Inc()
		case err != nil:
			failed = err
		default:
			s.take(ctx, request, &parts)
		}
	}
	over := ctx.Err() != nil
	cancel()
	stop()
	s.listener.Close()
	parts.Wait()
	if over {
		return nil
	}
	return fmt.Errorf("listening for SRT: %w", failed)
}

// next waits for a request. The library reads handshakes here, and panics at
// those that are cut off in an extension.
func (s *Server) next() (r gosrt.ConnRequest, err error) {
	defer func() {
		if recover() != nil {
			err = errGarbage
		}
	}()
	return s.listener.Accept2()
}

// watch looks after the connections until ctx ends.
func (s *Server) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, x := range s.sessions.all() {
				x.watch(now)
			}
		}
	}
}

// take begins a session for a request that is within the limits.
func (s *Server) take(ctx context.Context, request gosrt.ConnRequest, parts *sync.WaitGroup) {
	peer, err := netip.ParseAddrPort(request.RemoteAddr().String())
	if err != nil {
		request.Reject(gosrt.REJ_ROGUE)
		return
	}
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	x := &session{
		server: s, request: request, said: s.overseer.last, peer: peer, network: limit.Network(peer.Addr()),
		log: s.log.With("peer", peer.String()),
	}
	quick := !peer.Addr().IsLoopback() && !s.requests.Allow(peer.Addr())
	if quick || !s.sessions.admit(x, request.SocketId()) {
		s.refused.Inc()
		request.Reject(gosrt.REJX_OVERLOAD)
		if time.Since(s.saidLimit) > quiet {
			s.log.Warn("srt: refused, too many connections or requests", "peer", peer.String(), "open", s.sessions.len())
		}
		s.saidLimit = time.Now()
		return
	}
	parts.Go(func() {
		defer s.sessions.remove(x, request.SocketId())
		x.serve(ctx)
	})
}

// serve runs a session; what it does wrong hurts no other.
func (s *session) serve(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("srt: fault in a session", "stream", s.access.stream, "panic", p, "stack", string(debug.Stack()))
		}
		s.close(errLost)
		s.request.Reject(gosrt.REJX_ISE) // only of a request that nobody answered
	}()
	if err := s.door(ctx); err != nil {
		s.refuse(err)
	}
}
