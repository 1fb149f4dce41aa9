// Package rtmp takes and plays streams by RTMP and RTMPS (Adobe's RTMP 1.0,
// Enhanced RTMP 2), and sends streams to other servers. It knows the protocol
// and hands frames to the hub; who may do what it asks of a Checker, and what
// is made of other codecs is not its business.
package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of a Server.
const (
	maxConns      = 1024
	maxPerNetwork = 64

	handshakeTime = 5 * time.Second  // for TLS and the handshake
	commandTime   = 10 * time.Second // from there to publish or play
	idleTime      = 15 * time.Second // between two messages of a publisher
	writeTime     = 10 * time.Second // for one write
	lingerTime    = time.Second      // for a refused client to read why
	farewellTime  = time.Second      // for all clients when the server stops
	findTime      = 15 * time.Second // for a stream that has to be brought
)

// Checker says who may do what.
type Checker interface {
	auth.Checker
	// CheckProof is Check for a client that proves a stream's key.
	CheckProof(ctx context.Context, r auth.Request, proves func(secret string) bool) (auth.Grant, error)
}

// Config is what a Server needs. At least one address, Hub and Checker are
// required, and TLS with TLSListen.
type Config struct {
	Listen    string // TCP address for RTMP; "" for none
	TLSListen string // TCP address for RTMPS; "" for none
	TLS       *tls.Config
	Shared    net.Listener // connections that came to another port, decrypted; nil for none
	Hub       *hub.Hub
	Checker   Checker
	Log       *slog.Logger     // nil discards
	Metrics   *metric.Registry // nil counts unseen
}

// Server takes and plays streams by RTMP.
type Server struct {
	// set at construction
	cfg       Config
	log       *slog.Logger
	listeners []*limit.Listener
	secure    *limit.Listener // that of RTMPS, nil for none
	asked     *challenges
	count     counters

	// owned by Run
	running sync.WaitGroup
}

// counters of a Server.
type counters struct {
	refused    *metric.Counter
	faults     *metric.Counter
	left       *metric.Counter // tracks that cannot be carried
	publishers atomic.Int64
	players    atomic.Int64
}

// New listens; nobody is answered before Run.
func New(cfg Config) (*Server, error) {
	if cfg.Hub == nil || cfg.Checker == nil {
		return nil, errors.New("rtmp needs a hub and a checker")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, log: cfg.Log, asked: newChallenges()}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.register(cfg.Metrics)
	return s, nil
}

// listen opens the sockets.
func (s *Server) listen() error {
	if s.cfg.TLSListen != "" && s.cfg.TLS == nil {
		return errors.New("RTMPS needs a certificate")
	}
	for _, address := range []string{s.cfg.Listen, s.cfg.TLSListen} {
		if address == "" {
			continue
		}
		ln, err := net.Listen("tcp", address)
		if err != nil {
			for _, l := range s.listeners {
				_ = l.Close()
			}
			return fmt.Errorf("listen for RTMP: %w", err)
		}
		s.listeners = append(s.listeners, s.limited(ln))
	}
	if s.cfg.TLSListen != "" {
		s.secure = s.listeners[len(s.listeners)-1]
	}
	if s.cfg.Shared != nil {
		s.listeners = append(s.listeners, s.limited(s.cfg.Shared))
	}
	if len(s.listeners) == 0 {
		return errors.New("listen: no address for RTMP or RTMPS is given")
	}
	return nil
}

func (s *Server) limited(ln net.Listener) *limit.Listener {
	return limit.Listen(ln, limit.Config{Total: maxConns, PerAddr: maxPerNetwork, Log: s.log})
}

func (s *Server) register(m *metric.Registry) {
	s.count.refused = m.Counter("heliograph_rtmp_refused_total", "Requests by RTMP that were refused.")
	s.count.faults = m.Counter("heliograph_rtmp_faults_total", "Connections by RTMP that were ended because of a fault of the server.")
	s.count.left = m.Counter("heliograph_rtmp_tracks_left_total", "Tracks by RTMP in a codec that cannot be carried.")
	m.CounterFunc("heliograph_rtmp_rejected_total", "Connections by RTMP beyond the limit of their number.", func() float64 {
		n := uint64(0)
		for _, l := range s.listeners {
			n += l.Refused()
		}
		return float64(n)
	})
	m.GaugeFunc("heliograph_rtmp_connections", "Open connections by RTMP.", func() float64 {
		n := 0
		for _, l := range s.listeners {
			n += l.Open()
		}
		return float64(n)
	})
	m.GaugeFunc("heliograph_rtmp_publishers", "Publishers by RTMP.", func() float64 { return float64(s.count.publishers.Load()) })
	m.GaugeFunc("heliograph_rtmp_players", "Players by RTMP.", func() float64 { return float64(s.count.players.Load()) })
}

// Addr is where RTMP is listened for, or nil.
func (s *Server) Addr() net.Addr {
	if s.cfg.Listen == "" {
		return nil
	}
	return s.listeners[0].Addr()
}

// TLSAddr is where RTMPS is listened for, or nil.
func (s *Server) TLSAddr() net.Addr {
	if s.secure == nil {
		return nil
	}
	return s.secure.Addr()
}

// Run serves until ctx ends, and returns when the last connection has ended.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		for _, l := range s.listeners {
			_ = l.Close()
		}
	})
	defer stop()
	for _, l := range s.listeners {
		s.running.Go(func() { s.accept(ctx, l) })
	}
	s.running.Wait()
	return nil
}

func (s *Server) accept(ctx context.Context, l *limit.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return // it was closed: Accept returns nothing else
		}
		if l == s.secure {
			c = tls.Server(c, s.cfg.TLS)
		}
		s.running.Go(func() { s.serve(ctx, c) })
	}
}

// serve is the life of one connection.
func (s *Server) serve(ctx context.Context, c net.Conn) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(farewellTime, func() { _ = c.Close() }) })
	defer func() {
		if r := recover(); r != nil {
			s.fault(c.RemoteAddr().String(), r)
		}
		stop()
		cancel()
		_ = c.Close()
	}()
	(&session{server: s, conn: newConn(c), peer: c.RemoteAddr().String(), addr: addrOf(c)}).run(ctx)
}

// fault counts and logs a panic that a peer's bytes have caused.
func (s *Server) fault(peer string, cause any) {
	s.count.faults.Inc()
	s.log.Error("connection failed", "proto", proto, "peer", peer, "cause", cause, "stack", string(debug.Stack()))
}

func addrOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
