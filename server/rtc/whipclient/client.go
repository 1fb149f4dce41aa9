package whipclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// Times of a publication.
const (
	settle      = 700 * time.Millisecond // in which a source that comes back names its tracks
	connectTime = 10 * time.Second       // until the media has to be connected
	reportEvery = time.Second            // sender reports
)

// Why a publication failed or ended, beside the stream's own reasons.
var (
	errNoTracks = errors.New("the stream has no audio or video yet")
	errChanged  = errors.New("the stream's tracks have changed; publishing again with the new ones")
	errNoMedia  = errors.New("the other server answered, but no media connection came about; UDP between the two servers is blocked somewhere")
	errLost     = errors.New("the connection to the other server was lost")
)

// Client publishes to other servers. The zero value may reach any address.
type Client struct {
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // for HTTP; nil dials any address
	Allow func(netip.Addr) error                                               // refuses addresses for media; nil refuses none
}

// Send publishes a stream at a WHIP endpoint, given as an http, https, whip or
// whips URL, whose user part or parameter "token" is sent as bearer token and
// not as part of the URL. It blocks until ctx ends, the stream ends or the
// connection fails. open subscribes to the stream; sent is called as bytes
// leave, first with 0 when media is connected. It returns nil when ctx ended,
// the subscription's reason, or why it failed; no error holds a secret.
func (c Client) Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	e, err := newEndpoint(target, c.Dial)
	if err != nil {
		return err
	}
	defer e.close()
	sub, err := open()
	if err != nil {
		return err
	}
	sending, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reason := c.publish(sending, cancel, &publication{endpoint: e, sub: sub, sent: sent})
	if cause := context.Cause(sending); cause != nil {
		reason = cause
	}
	if ctx.Err() != nil {
		sub.Close(ctx.Err())
		return nil
	}
	sub.Close(reason)
	return reason
}

// publication is one stream on its way to one endpoint.
type publication struct {
	// set at construction
	endpoint *endpoint
	sub      *hub.Subscription
	sent     func(bytes int)

	// owned by publish
	choice hub.Choice
}

// publish runs a publication; cancel ends its context.
func (c Client) publish(ctx context.Context, cancel context.CancelCauseFunc, p *publication) error {
	if err := p.sub.AwaitTracks(ctx); err != nil {
		return err
	}
	if err := p.choose(); err != nil {
		return err
	}
	p.sub.Bind(func() { p.check(cancel) }, cancel)
	defer p.sub.Bind(func() {}, func(error) {})
	peer, err := c.newPeer(p.endpoint.local(), p.choice.Codecs)
	if err != nil {
		return err
	}
	defer peer.close()
	if err := peer.connect(ctx, p.endpoint); err != nil {
		return err
	}
	p.sent(0)
	return p.send(ctx, peer)
}

// send sends the tracks until ctx ends or the connection fails, and ends the
// session.
func (p *publication) send(ctx context.Context, peer *peer) (reason error) {
	lanes, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	for i, t := range p.choice.Tracks {
		out := peer.outs[i]
		if !out.bound() {
			continue // refused
		}
		l := &lane{track: t, out: out, sent: p.sent, wake: make(chan struct{}, 1)}
		parts.Go(func() { l.run(lanes) })
		parts.Go(func() { out.listen(t) })
		parts.Go(func() { out.report(lanes, t) })
	}
	select {
	case <-ctx.Done():
		reason = context.Cause(ctx)
	case <-peer.failed:
		reason = errLost
	}
	stop()
	p.endpoint.hangUp(context.WithoutCancel(ctx)) // before the media ends, or it would look like a loss
	peer.close()
	parts.Wait()
	return reason
}

// choose takes the tracks that WebRTC can carry, made of others where need be.
func (p *publication) choose() error {
	p.choice = p.sub.Stream().ChooseAll(accept)
	for _, left := range p.choice.Left {
		if left.Kind() == media.Video || len(p.choice.Tracks) == 0 {
			return unplayable(left)
		}
	}
	if len(p.choice.Tracks) == 0 {
		return errNoTracks
	}
	return nil
}

// unplayable says why a track cannot be published.
func unplayable(t *hub.Track) error {
	c := t.Codec()
	for _, d := range media.Diagnose(t.Kind(), c, t.Traits()) {
		return fmt.Errorf("the %s cannot be sent by WebRTC: %s %s", t.Kind(), d.Text, d.Fix)
	}
	return fmt.Errorf("the %s is %s, which WebRTC cannot carry, and nothing on this server makes another codec of it", t.Kind(), c.Name)
}

// check ends a publication that would choose other tracks now, once a change has
// settled: a source that comes back names its tracks one by one, and B-frames
// show only when the first has come.
func (p *publication) check(cancel context.CancelCauseFunc) {
	if p.outdated() {
		time.AfterFunc(settle, func() {
			if p.outdated() {
				cancel(errChanged)
			}
		})
	}
}

// outdated tells whether other tracks would be chosen now. What cannot be sent
// any more is said when it is tried again.
func (p *publication) outdated() bool { return !p.sub.Stream().ChooseAll(accept).Same(p.choice) }

// accept tells what can be published.
func accept(c media.Codec, t media.Traits) bool {
	switch c.Name {
	case media.H264, media.H265, media.VP8, media.VP9, media.AV1:
		return t.Plays(c)
	case media.Opus:
		return true
	}
	return false
}
