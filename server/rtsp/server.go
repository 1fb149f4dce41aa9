package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/bluenviron/gortsplib/v5"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/limit"
	"github.com/heliograph/heliograph/server/rtsp/udp"
)

// Limits of a Server.
const (
	maxConns      = 1024
	maxPerNetwork = 256

	// sessionTime is how long a player may be silent, as RFC 2326 section 12.37
	// has it, and silentTime a publisher.
	sessionTime = 60 * time.Second
	silentTime  = 10 * time.Second

	// writeQueue is how many packets a player may be behind: a keyframe of 1 MB
	// comes as some 900 at once.
	writeQueue = 1024
)

// Config is what a Server needs.
type Config struct {
	Listen    string       // TCP address for RTSP; "" for none
	TLSListen string       // TCP address for RTSPS; "" for none
	Shared    net.Listener // connections that came to another port, within TLS or not; nil for none
	UDPListen string       // UDP address for RTP, an even port or 0; RTCP takes the next one; "" for no UDP
	TLS       *tls.Config
	Hub       *hub.Hub
	Checker   Checker
	Log       *slog.Logger
	Metrics   *metric.Registry // nil for none
}

// Server takes and plays streams by RTSP.
type Server struct {
	// set at construction
	cfg     Config
	lib     *gortsplib.Server
	doors   *doors
	addr    net.Addr
	tlsAddr net.Addr
	udp     *udp.Pair // nil for none
	stages  stages
	refused *metric.Counter
	faults  *metric.Counter

	// set by Run before it starts anything
	within func() (context.Context, context.CancelFunc) // the time that a request may take

	// guard themselves
	basics basics
	claims claims
	seats
}

// New listens; nobody is answered before Run.
func New(cfg Config) (*Server, error) {
	s := &Server{cfg: cfg, basics: basics{until: map[string]time.Time{}}}
	s.stages.list, s.near = map[*hub.Stream]*stage{}, map[netip.Addr]int{}
	s.claims.owners = map[netip.AddrPort]*gortsplib.ServerSession{}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.refused = cfg.Metrics.Counter("heliograph_rtsp_refused_total", "Requests by RTSP that were refused.")
	s.faults = cfg.Metrics.Counter("heliograph_rtsp_faults_total", "Sessions of RTSP that were ended because of a fault of the server.")
	cfg.Metrics.GaugeFunc("heliograph_rtsp_publishers", "Publishers by RTSP.", func() float64 { return float64(s.publishers.Load()) })
	cfg.Metrics.GaugeFunc("heliograph_rtsp_players", "Players by RTSP.", func() float64 { return float64(s.players.Load()) })
	s.lib = &gortsplib.Server{
		RTSPAddress:    s.doors.Addr().String(),
		ReadTimeout:    silentTime,
		WriteTimeout:   silentTime,
		IdleTimeout:    sessionTime,
		WriteQueueSize: writeQueue,
		Handler:        &handler{s},
		Listen: func(string, string) (net.Listener, error) {
			s.doors.start()
			return s.doors, nil
		},
	}
	if s.udp != nil {
		s.lib.ListenPacket = s.udp.Hand()
		s.lib.UDPRTPAddress, s.lib.UDPRTCPAddress = "127.0.0.1:2", "127.0.0.1:3" // of no meaning: hand gives it the sockets
	}
	return s, nil
}

// listen opens the sockets.
func (s *Server) listen() error {
	var under []net.Listener
	fail := func(what string, err error) error {
		for _, l := range under {
			_ = l.Close()
		}
		return fmt.Errorf("listen for %s: %w", what, err)
	}
	if s.cfg.Listen != "" {
		l, err := net.Listen("tcp", s.cfg.Listen)
		if err != nil {
			return fail("RTSP", err)
		}
		under, s.addr = append(under, s.limited(l)), l.Addr()
	}
	if s.cfg.TLSListen != "" {
		l, err := net.Listen("tcp", s.cfg.TLSListen)
		if err != nil {
			return fail("RTSPS", err)
		}
		// TLS is ended here and not by the library, which would encrypt the media
		// in it once more.
		under, s.tlsAddr = append(under, tls.NewListener(s.limited(l), s.cfg.TLS)), l.Addr()
	}
	if s.cfg.Shared != nil {
		under = append(under, s.limited(s.cfg.Shared))
	}
	if len(under) == 0 {
		return errors.New("listen: no address for RTSP or RTSPS is given")
	}
	if s.cfg.UDPListen != "" {
		sockets, err := udp.ListenPair(s.cfg.UDPListen)
		if err != nil {
			return fail("RTP", err)
		}
		s.udp = sockets
	}
	s.doors = newDoors(under...)
	return nil
}

func (s *Server) limited(l net.Listener) net.Listener {
	return limit.Listen(l, limit.Config{Total: maxConns, PerAddr: maxPerNetwork, Log: s.cfg.Log})
}

// Addr returns where RTSP is spoken, nil for nowhere.
func (s *Server) Addr() net.Addr { return s.addr }

// TLSAddr returns where RTSPS is spoken, nil for nowhere.
func (s *Server) TLSAddr() net.Addr { return s.tlsAddr }

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	s.within = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, requestTime) }
	if err := s.lib.Start(); err != nil {
		s.udp.Close()
		return errors.Join(fmt.Errorf("start RTSP: %w", err), s.doors.Close())
	}
	defer context.AfterFunc(ctx, s.lib.Close)()
	err := s.lib.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve RTSP: %w", err)
}
