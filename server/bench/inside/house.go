package inside

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/egress"
)

const stream = "bench"

// house is a server without doors.
type house struct {
	// set at construction
	auth   *auth.Service
	hub    *hub.Hub
	port   *port.Port
	engine *egress.Engine
	sent   *metric.Counter // packets to all viewers
	unsent *metric.Counter

	// set by publish
	video, audio *hub.Input
}

func openHouse(ctx context.Context) (*house, error) {
	checker, err := auth.New(ctx, auth.Config{Storage: noStorage{}, Open: true})
	if err != nil {
		return nil, err
	}
	metrics := metric.New()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0", Metrics: metrics})
	if err != nil {
		return nil, fmt.Errorf("no port: %w", err)
	}
	e, err := egress.New(egress.Config{Port: p, Metrics: metrics})
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("no sender: %w", err)
	}
	return &house{
		auth: checker, hub: hub.New(hub.Config{}), port: p, engine: e,
		sent:   metrics.Counter("heliograph_egress_packets_total", ""),
		unsent: metrics.Counter("heliograph_egress_unsent_total", ""),
	}, nil
}

// run keeps the house open until stop is called, which waits for its end.
func (h *house) run(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	parts := []func(context.Context) error{h.port.Run, h.engine.Run, h.hub.Run}
	errs := make([]error, len(parts))
	var wg sync.WaitGroup
	for i, run := range parts {
		wg.Go(func() { errs[i] = run(ctx) })
	}
	return func() error {
		cancel()
		wg.Wait()
		return errors.Join(errs...)
	}
}

// publish makes the stream, with one track of each kind.
func (h *house) publish(ctx context.Context) error {
	grant, err := h.auth.Check(ctx, auth.Request{Action: auth.Publish, Stream: stream})
	if err != nil {
		return fmt.Errorf("no grant: %w", err)
	}
	pub, err := h.hub.Publish(grant, source{}, hub.Options{})
	if err != nil {
		return fmt.Errorf("not published: %w", err)
	}
	if h.video, err = pub.AddTrack(media.Video, media.Codec{
		Name: media.H264, ClockRate: videoClock, Fmtp: "packetization-mode=1;profile-level-id=42e01f",
	}); err != nil {
		return fmt.Errorf("no video: %w", err)
	}
	if h.audio, err = pub.AddTrack(media.Audio, media.Codec{
		Name: media.Opus, ClockRate: audioClock, Channels: 2,
	}); err != nil {
		return fmt.Errorf("no audio: %w", err)
	}
	return nil
}

// watch subscribes one viewer.
func (h *house) watch(ctx context.Context) (*hub.Subscription, error) {
	grant, err := h.auth.Check(ctx, auth.Request{Action: auth.Watch, Stream: stream})
	if err != nil {
		return nil, fmt.Errorf("no grant: %w", err)
	}
	return h.hub.Watch(ctx, grant)
}

// done is how many packets the sender has finished with.
func (h *house) done() uint64 { return h.sent.Value() + h.unsent.Value() }

// source feeds the hub at its own pace.
type source struct{}

func (source) RequestKeyframe(*hub.Track, int) {}
func (source) Close(error)                     {}

// noStorage is the storage of a server that nobody has set up: it has no user,
// no key and no private stream. What is not here is never asked, as nobody
// shows a credential.
type noStorage struct{ auth.Storage }

func (noStorage) SecretOnce(_ context.Context, _ string, fresh []byte) ([]byte, error) {
	return fresh, nil
}

func (noStorage) KeyOf(context.Context, string) (auth.Key, error) {
	return auth.Key{}, auth.ErrNotFound
}
