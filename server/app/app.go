package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/heliograph/heliograph/frontend"
	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/store"
	"github.com/heliograph/heliograph/server/web"
)

// Version is the server's own, by the rules of semver.org.
const Version = "0.1.0"

// Config is what a server is built from.
type Config struct {
	Settings config.Settings
	Out      io.Writer // takes the ready line, and nothing else
	Err      io.Writer // takes the set-up link, which must not be in a log
	Log      *slog.Logger
}

// App is one server.
type App struct {
	// set at construction
	cfg      Config
	store    *store.Store
	auth     *auth.Service
	hub      *hub.Hub
	web      *web.Server
	listener net.Listener

	// atomic
	ready atomic.Bool
}

// New opens the database and the port and wires everything. It starts
// nothing; Run does, or Close gives back what New has opened.
func New(ctx context.Context, cfg Config) (*App, error) {
	a := &App{cfg: cfg}
	if err := a.build(ctx); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// build makes the parts from the bottom up.
func (a *App) build(ctx context.Context) (err error) {
	set, log := a.cfg.Settings, a.cfg.Log
	metrics := metric.New()
	if a.store, err = store.Open(ctx, set.Data); err != nil {
		return err
	}
	if a.auth, err = auth.New(ctx, auth.Config{Storage: a.store, Open: set.Open}); err != nil {
		return err
	}
	a.hub = hub.New(hub.Config{PosterPath: web.PosterPath, Log: log})
	a.web, err = web.New(web.Config{
		Auth:    a.auth,
		Streams: streams{a.hub},
		App:     frontend.Files(),
		Ready:   a.ready.Load,
		Version: Version,
		Metrics: metrics,
		Log:     log,
	})
	if err != nil {
		return err
	}
	a.listener, err = listen(ctx, set.Listen)
	return err
}

// listen opens the port for HTTP.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("opening the port: %w (choose another with --listen)", err)
	}
	return ln, nil
}

// Addr returns the address of the port.
func (a *App) Addr() net.Addr { return a.listener.Addr() }

// Close gives back what New has opened, when Run is not called.
func (a *App) Close() error {
	var errs []error
	if a.listener != nil {
		errs = append(errs, a.listener.Close())
	}
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	return errors.Join(errs...)
}
