package app

import (
	"context"
	"net/netip"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/onvif"
	"github.com/heliograph/heliograph/server/pull"
	"github.com/heliograph/heliograph/server/push"
	"github.com/heliograph/heliograph/server/rtsp"
	"github.com/heliograph/heliograph/server/transcode"
	"github.com/heliograph/heliograph/server/web"
)

// others are what has to do with other machines and programs.
type others struct {
	transcoder *transcode.Transcoder
	pull       *pull.Manager
	push       *push.Manager
}

// buildOthers makes them, but for the transcoder, which the hub needs first.
func (a *App) buildOthers(ctx context.Context, metrics *metric.Registry) (err error) {
	log := a.cfg.Log
	own := a.ownAddresses()
	var fixed []pull.Source
	for _, s := range a.cfg.Settings.Sources {
		fixed = append(fixed, pull.Source(s))
	}
	public, private := netguard.New(false, own...), netguard.New(true, own...)
	a.others.pull, err = pull.New(ctx, pull.Config{
		Opener: cameras{&rtsp.Puller{Hub: a.hub, Log: log, Metrics: metrics}}, Hub: a.hub, Grant: publishing,
		Public: public, Private: private, Storage: a.vault("source"), Fixed: fixed, Log: log,
	})
	if err != nil {
		return err
	}
	var targets []push.Target
	for _, p := range a.cfg.Settings.Pushes {
		targets = append(targets, push.Target{Stream: p.Stream, URL: p.URL, Private: true, Enabled: true})
	}
	a.others.push, err = push.New(ctx, push.Config{
		Hub: a.hub, Grant: watching, Guarded: a.senders(public), Free: a.senders(private),
		Storage: a.vault("push"), Fixed: targets, Log: log,
	})
	return err
}

// ownAddresses are those under which the world reaches this server.
func (a *App) ownAddresses() []netip.Addr {
	var list []netip.Addr
	for _, at := range a.port.Announced() {
		list = append(list, at.Addr())
	}
	return list
}

// remote shows them to the web door.
func (a *App) remote() web.Remote {
	return web.Remote{Sources: sources{a.others.pull}, Pushes: pushes{a.others.push}, Cameras: search{onvif.New()}}
}
