package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/heliograph/heliograph/server/metric"
)

// Bounds on a connection (reliability against slow and huge requests).
const (
	headerTimeout  = 5 * time.Second
	readTimeout    = 15 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 16 << 10
	maxStreamsH2   = 100
	shutdownTime   = 5 * time.Second
)

// Server is the HTTP door.
type Server struct {
	// set at construction
	cfg     Config
	files   *files
	handler http.Handler
	peers   *peers
	heavy   heavy
	times   times
	counts  counts
}

// counts are the door's own metrics.
type counts struct {
	requests *metric.Counter
	panics   *metric.Counter
	opened   *metric.Counter
	slow     *metric.Counter
	flooding *metric.Counter
}

// New reads the web app and builds the routes. It starts nothing, and returns
// ErrConfig or what reading the app failed with.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	f, err := readFiles(cfg.App)
	if err != nil {
		return nil, err
	}
	m := cfg.Metrics
	s := &Server{
		cfg:   cfg,
		files: f,
		peers: newPeers(),
		heavy: newHeavy(),
		times: defaultTimes(),
		counts: counts{
			requests: m.Counter("heliograph_http_requests_total", "HTTP requests."),
			panics:   m.Counter("heliograph_web_panics_total", "Requests and connections ended by a fault of the server."),
			opened:   m.Counter("heliograph_ws_opened_total", "WebSocket connections opened."),
			slow:     m.Counter("heliograph_ws_slow_total", "WebSocket connections closed because the client did not read."),
			flooding: m.Counter("heliograph_ws_flooding_total", "WebSocket connections closed because of too many messages."),
		},
	}
	m.GaugeFunc("heliograph_ws_connections", "WebSocket connections open now.", func() float64 { return float64(s.peers.count()) })
	s.handler = s.routes()
	if c := cfg.TLS.Challenges; c != nil {
		s.handler = c(s.handler)
	}
	return s, nil
}

// Handler returns the whole door as a handler, for tests and other servers.
func (s *Server) Handler() http.Handler { return s.handler }

// Run serves HTTP/1.1 and HTTP/2 on ln until ctx ends or the listener fails.
// Connections within TLS are a *tls.Conn, or have its ConnectionState. Then requests get a moment to end, WebSockets are closed
// with 1012 (service restart), and Run returns when all are gone.
func (s *Server) Run(ctx context.Context, ln net.Listener) error {
	srv := s.server()
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	// The parent's context has ended: what is left has its own time.
	left, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	s.peers.stop()
	if e := srv.Shutdown(left); e != nil {
		e = srv.Close()
		err = errors.Join(err, e)
	}
	s.peers.wait()
	if err == nil {
		err = <-failed
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) server() *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           s.handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		Protocols:         protocols,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: maxStreamsH2},
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}
