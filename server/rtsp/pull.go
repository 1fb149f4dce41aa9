package rtsp

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
)

const (
	// frozenTime is how long a camera may send nothing.
	frozenTime = 5 * time.Second
	// firstTime is how long it may take until it sends something: UDP is given
	// up after 3 s, and then all begins anew by TCP.
	firstTime = 10 * time.Second
)

// Puller brings cameras into the hub.
type Puller struct {
	Hub     *hub.Hub
	Log     *slog.Logger
	Metrics *metric.Registry // nil for none
}

// pulled is a camera that feeds a stream.
type pulled struct {
	// set at construction
	camera *camera
	ended  chan error // the hub's reason
}

// RequestKeyframe does nothing: RTSP has no way to ask a camera for one.
func (p *pulled) RequestKeyframe(*hub.Track, int) {}

// Close tells the camera's goroutine to end.
func (p *pulled) Close(reason error) {
	select {
	case p.ended <- reason:
	default:
	}
}

// Pull plays a camera into the stream that grant names, which begins with the
// first media, and blocks as long as it plays. It returns nil when ctx ends, and
// the stream ends with ctx's cause, hub.ErrEnded when there is none; the hub's
// reason when that ends it; and else one of ErrPassword, ErrNoVideo,
// ErrUnreachable and ErrFrozen, with a sentence about what happened and what to
// do.
func (p *Puller) Pull(ctx context.Context, grant auth.Grant, s Source) error {
	log := p.Log.With("stream", grant.Stream())
	c, err := newCamera(s, log)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.client.Close() })
	defer stop()
	in, src, err := p.start(c, grant)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	err = c.follow(ctx, in, src)
	c.client.Close()
	if ctx.Err() != nil {
		reason := context.Cause(ctx)
		if errors.Is(reason, context.Canceled) {
			reason = hub.ErrEnded
		}
		in.close(reason)
		return nil
	}
	in.close(err)
	return err
}

// start connects and plays.
func (p *Puller) start(c *camera, grant auth.Grant) (*intake, *pulled, error) {
	d, offers, err := c.describe()
	if err != nil {
		return nil, nil, err
	}
	list, left := carried(offers)
	if len(list) == 0 {
		c.client.Close()
		return nil, nil, noVideo(left)
	}
	if len(left) > 0 {
		c.log.Warn("rtsp: tracks that cannot be carried are left out", "camera", c.address(), "codecs", left)
	}
	src := &pulled{camera: c, ended: make(chan error, 1)}
	faults := p.Metrics.Counter("heliograph_rtsp_faults_total", "Sessions of RTSP that were ended because of a fault of the server.")
	in := newIntake(c.log.With("camera", c.address()), faults, offers, func() (*hub.Publication, error) {
		pub, err := p.Hub.Publish(grant, src, hub.Options{Proto: proto, Peer: c.address()})
		if err == nil && c.source.Live != nil {
			c.source.Live()
		}
		return pub, err
	})
	in.heard.Store(time.Now().Add(firstTime - frozenTime).UnixNano())
	if err := c.play(d, in); err != nil {
		c.client.Close()
		return nil, nil, c.explain(err)
	}
	return in, src, nil
}

// play sets up the tracks that are carried and asks for them.
func (c *camera) play(d *description.Session, in *intake) error {
	for _, r := range in.tracks {
		// Of an address that cannot be read the library makes none at all, and
		// goes on with it.
		if at, err := r.offer.media.URL(d.BaseURL); err == nil && at == nil {
			return errControl
		}
		if _, err := c.client.Setup(d.BaseURL, r.offer.media, 0, 0); err != nil {
			return err
		}
		c.client.OnPacketRTP(r.offer.media, r.offer.format, r.rtp)
		c.client.OnPacketRTCP(r.offer.media, r.rtcp)
	}
	_, err := c.client.Play(nil)
	return err
}

// follow waits for the end of a camera that plays, and returns why.
func (c *camera) follow(ctx context.Context, in *intake, src *pulled) error {
	lost := make(chan error, 1)
	go func() { lost <- c.client.Wait() }()
	for {
		silence := time.Since(time.Unix(0, in.heard.Load()))
		if silence >= frozenTime {
			return c.frozen(errSilent)
		}
		timer := time.NewTimer(frozenTime - silence)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
		case reason := <-src.ended:
			timer.Stop()
			return reason
		case <-in.failed:
			timer.Stop()
			return in.err
		case err := <-lost:
			timer.Stop()
			return c.explain(err)
		}
		timer.Stop()
		return ctx.Err()
	}
}

var (
	errSilent  = errors.New("silent")
	errControl = errors.New("a track is at an address that cannot be read")
)

var _ hub.Source = (*pulled)(nil)
var _ writer = (*gortsplib.Client)(nil)
