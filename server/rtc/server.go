package rtc

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/egress"
	"github.com/heliograph/heliograph/server/rtc/ingest"
	"github.com/heliograph/heliograph/server/rtc/reach"
)

// Config is what a Server needs. Hub, Checker, Port and Egress are required.
type Config struct {
	Hub     *hub.Hub
	Checker auth.Checker
	Port    *port.Port
	Egress  *egress.Engine
	ICE     ICE              // nil hands out no ICE servers
	Log     *slog.Logger     // nil discards
	Metrics *metric.Registry // nil counts unseen
}

// Server is the three doors and the sessions behind them.
type Server struct {
	// set at construction
	cfg      Config
	log      *slog.Logger
	ingest   *ingest.Ingest
	refused  *metric.Counter // requests refused by a limit
	sessions *registry
	follows  *follows
	whip     *door
	whep     *door
	reach    *reach.Door
}

// New returns a server that refuses everybody with hub.ErrShutdown until Run.
func New(cfg Config) (*Server, error) {
	if cfg.Hub == nil || cfg.Checker == nil || cfg.Port == nil || cfg.Egress == nil {
		return nil, errors.New("rtc needs a hub, a checker, a port and an egress engine")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.ICE == nil {
		cfg.ICE = noICE{}
	}
	s := &Server{cfg: cfg, log: cfg.Log, ingest: ingest.New(cfg.Port, cfg.Metrics)}
	s.refused = cfg.Metrics.Counter("heliograph_rtc_refused_total", "Requests for a session refused by a limit.")
	s.sessions = newRegistry()
	s.follows = newFollows(cfg.Hub)
	s.whip = newDoor(s, "whip", auth.Publish)
	s.whep = newDoor(s, "whep", auth.Watch)
	s.reach = reach.New(reach.Config{
		Port: cfg.Port, Revoke: cfg.ICE.Revoke, Metrics: cfg.Metrics,
		Links: func(h http.Header, holder, host string) { addLinks(h, cfg.ICE.Servers(holder, host)) },
	})
	cfg.Metrics.GaugeFunc("heliograph_rtc_sessions", "WebRTC sessions that are open.", func() float64 {
		return float64(s.sessions.len())
	})
	return s, nil
}

// Run opens the doors until ctx ends; then it closes every session with
// hub.ErrShutdown and returns when the last has ended.
func (s *Server) Run(ctx context.Context) error {
	stop := s.cfg.Hub.Observe(s.follows)
	defer stop()
	s.sessions.open()
	var reaching sync.WaitGroup
	reaching.Go(func() { _ = s.reach.Run(ctx) }) // ends with ctx and has no errors
	defer reaching.Wait()
	s.follows.run(ctx)
	s.sessions.shutdown(hub.ErrShutdown)
	return nil
}

// WHIP handles /whip/{stream} and /whip/{stream}/{session} (RFC 9725).
func (s *Server) WHIP() http.Handler { return s.whip }

// WHEP handles /whep/{stream} and /whep/{stream}/{session}
// (draft-ietf-wish-whep-03).
func (s *Server) WHEP() http.Handler { return s.whep }

// Reach handles POST /reach, which tells a client whether it can reach the
// media of this server.
func (s *Server) Reach() http.Handler { return s.reach }
