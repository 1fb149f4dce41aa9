package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/heliograph/heliograph/frontend"
	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/certs"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc"
	"github.com/heliograph/heliograph/server/rtc/egress"
	"github.com/heliograph/heliograph/server/store"
	"github.com/heliograph/heliograph/server/web"
	"github.com/heliograph/heliograph/turn"
)

// Version is the server's own, by the rules of semver.org.
const Version = "0.1.0"

// Config is what a server is built from.
type Config struct {
	Settings  config.Settings
	Authority certs.Authority // of the domain's certificate; zero but in tests
	Out       io.Writer       // takes the ready line, and nothing else
	Err       io.Writer       // takes the set-up link, which must not be in a log
	Log       *slog.Logger
}

// App is one server.
type App struct {
	// set at construction
	cfg    Config
	store  *store.Store
	lock   *os.File // held while this server has the data folder
	auth   *auth.Service
	port   *port.Port
	hub    *hub.Hub
	web    *web.Server
	doors  encoders
	others others
	encryption
	carriers

	// atomic
	ready atomic.Bool
}

// carriers carry media over the port.
type carriers struct {
	turn   *turn.Server
	egress *egress.Engine
	rtc    *rtc.Server
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
	if a.lock, err = lock(set.Data); err != nil {
		return err
	}
	if a.auth, err = auth.New(ctx, auth.Config{Storage: a.store, Open: set.Open, Log: log}); err != nil {
		return err
	}
	if err = a.buildTLS(); err != nil {
		return err
	}
	a.port, err = port.Listen(port.Config{
		Listen: set.Listen, PublicHosts: a.publicHosts(ctx), STUN: port.Host(set.STUN), TLS: a.encryption.config(), Log: log, Metrics: metrics,
	})
	if err != nil {
		return fmt.Errorf("opening the port: %w (choose another with --listen)", err)
	}
	a.openPlain()
	if a.others.transcoder, err = a.newTranscoder(metrics); err != nil {
		return err
	}
	a.hub = hub.New(hub.Config{PosterPath: web.PosterPath, Finder: finder{a}, Converter: a.others.transcoder, Log: log})
	if err = a.buildMedia(metrics); err != nil {
		return err
	}
	if err = a.openDoors(metrics); err != nil {
		return err
	}
	if err = a.buildOthers(ctx, metrics); err != nil {
		return err
	}
	a.web, err = web.New(web.Config{
		Auth:     a.auth,
		Streams:  a.hub,
		App:      frontend.Files(),
		Channels: map[string]web.Open{"rtc": func(p *web.Peer) web.Channel { return a.rtc.Channel(p) }},
		Media:    web.Media{WHIP: a.rtc.WHIP(), WHEP: a.rtc.WHEP(), Reach: a.rtc.Reach()},
		TLS:      a.encryption.door(a.number()),
		Encoders: a.describe(),
		Remote:   a.remote(),
		Ready:    a.ready.Load,
		Version:  Version,
		Metrics:  metrics,
		Log:      log,
	})
	return err
}

// buildMedia makes what carries media over the port.
func (a *App) buildMedia(metrics *metric.Registry) (err error) {
	log := a.cfg.Log
	a.turn, err = turn.New(turn.Config{
		Packets: a.port.TURNPackets(), Streams: a.port.TURNStreams(), Relay: a.port, Peers: a.port.Peers,
		Log: log, Metrics: metrics,
	})
	if err != nil {
		return err
	}
	if a.egress, err = egress.New(egress.Config{Port: a.port, Log: log, Metrics: metrics}); err != nil {
		return err
	}
	a.rtc, err = rtc.New(rtc.Config{
		Hub: a.hub, Checker: a.auth, Port: a.port, Egress: a.egress, ICE: newICE(a.turn, &a.encryption, a.number()),
		Log: log, Metrics: metrics,
	})
	return err
}

// Addr returns the address of the port.
func (a *App) Addr() netip.AddrPort { return a.port.Addr() }

// Close gives back what New has opened, when Run is not called.
func (a *App) Close() error {
	if a.port != nil {
		a.port.Close()
	}
	if a.plain != nil {
		_ = a.plain.Close()
	}
	return a.closeData()
}

// closeData gives back the data folder, and only then lets others have it.
func (a *App) closeData() error {
	var errs []error
	if a.store != nil {
		errs = append(errs, a.store.Close())
	}
	if a.lock != nil {
		errs = append(errs, a.lock.Close())
	}
	return errors.Join(errs...)
}
