package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/push"
	"github.com/heliograph/heliograph/server/rtc/whipclient"
	"github.com/heliograph/heliograph/server/rtmp"
	"github.com/heliograph/heliograph/server/rtsp"
	"github.com/heliograph/heliograph/server/srt"
	"github.com/heliograph/heliograph/server/web"
)

// senders are the ways out, by the scheme of the address, for what a guard lets
// through.
func (a *App) senders(g *netguard.Guard) push.Exit {
	overRTMP := &rtmp.Sender{Dial: g.Dial, Log: a.cfg.Log}
	overRTSP := &rtsp.Sender{Log: a.cfg.Log, Dial: g.Dial}
	overWHIP := whipclient.Client{Dial: g.Dial, Allow: g.Allow}
	return push.Exit{Allow: g.Allow, Senders: map[string]push.Sender{
		"rtmp": overRTMP, "rtmps": overRTMP,
		"rtsp": overRTSP, "rtsps": overRTSP,
		"srt":  srt.Sender{Dial: g.Dial, Log: a.cfg.Log},
		"whip": overWHIP, "whips": overWHIP, "http": overWHIP, "https": overWHIP,
	}}
}

// pushes shows where streams are sent on to the web door.
type pushes struct{ push *push.Manager }

var _ web.Pushes = pushes{}

// List implements web.Pushes.
func (p pushes) List() []web.PushInfo {
	list := []web.PushInfo{}
	for _, i := range p.push.List() {
		list = append(list, pushInfo(i))
	}
	return list
}

// Add implements web.Pushes.
func (p pushes) Add(ctx context.Context, stream, url string, admin bool) (web.PushInfo, error) {
	i, err := p.push.Add(ctx, stream, url, admin)
	return pushInfo(i), pushRefusal(err)
}

// Enable implements web.Pushes.
func (p pushes) Enable(ctx context.Context, id string, on bool) (web.PushInfo, error) {
	i, err := p.push.SetEnabled(ctx, id, on)
	return pushInfo(i), pushRefusal(err)
}

// Remove implements web.Pushes.
func (p pushes) Remove(ctx context.Context, id string) error {
	return pushRefusal(p.push.Delete(ctx, id))
}

func pushInfo(i push.Info) web.PushInfo {
	return web.PushInfo{
		ID: i.ID, Stream: i.Stream, URL: i.URL, Enabled: i.Enabled, Fixed: i.Fixed, State: string(i.State), Text: i.Text,
		Since: i.Since, RetryAt: i.RetryAt, Retries: i.Retries, Bytes: i.Bytes,
	}
}

// pushRefusal tells a person what the manager of the pushes refused.
func pushRefusal(err error) error {
	return refusal(err, []refused{
		{push.ErrURL, http.StatusBadRequest, "bad_request"},
		{push.ErrScheme, http.StatusBadRequest, "bad_request"},
		{push.ErrTwice, http.StatusConflict, "twice"},
		{push.ErrFixed, http.StatusConflict, "fixed"},
		{push.ErrFull, http.StatusConflict, "full"},
		{push.ErrStreamFull, http.StatusConflict, "full"},
		{push.ErrNotFound, http.StatusNotFound, "not_found"},
		{netguard.ErrRefused, http.StatusForbidden, "denied"},
	})
}

// refused is an error that a person can do something about.
type refused struct {
	err    error
	status int
	code   string
}

// refusal turns an error of the list into what the web door tells a person.
func refusal(err error, list []refused) error {
	for _, r := range list {
		if errors.Is(err, r.err) {
			return &web.Refusal{Status: r.status, Code: r.code, Text: sentence(err.Error())}
		}
	}
	return err
}
