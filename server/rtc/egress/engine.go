package egress

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/handshake"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// connectTimeout is how long a viewer may take to connect.
const connectTimeout = 20 * time.Second

// Ends of a viewer that the engine brings about.
var (
	ErrUnconnected = errors.New("the viewer never connected")
	ErrLost        = errors.New("nothing was heard from the viewer for 60 s")
	ErrFault       = errors.New("a fault of the server")
)

// Config is what an engine needs.
type Config struct {
	Port    *port.Port
	Log     *slog.Logger
	Metrics *metric.Registry
}

// Engine sends to all WebRTC viewers of this node.
type Engine struct {
	// set at construction
	port   *port.Port
	log    *slog.Logger
	desk   *handshake.Desk
	shards []*shard
	count  *counters

	// guarded by mu
	mu      sync.Mutex
	viewers map[*Viewer]struct{}
	closed  bool
}

// New returns an engine with a new certificate, as many shards as there are
// processors, and no viewers.
func New(cfg Config) (*Engine, error) {
	desk, err := handshake.New(handshake.Config{Announced: cfg.Port.Announced(), Log: cfg.Log, Metrics: cfg.Metrics})
	if err != nil {
		return nil, err
	}
	e := &Engine{
		port: cfg.Port, log: cfg.Log, desk: desk,
		count: newCounters(cfg.Metrics), viewers: map[*Viewer]struct{}{},
	}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	for i := range runtime.GOMAXPROCS(0) {
		e.shards = append(e.shards, newShard(e, cfg.Port.Sender(i)))
	}
	cfg.Metrics.GaugeFunc("heliograph_viewers", "WebRTC viewers, connecting ones included.", func() float64 {
		e.mu.Lock()
		defer e.mu.Unlock()
		return float64(len(e.viewers))
	})
	return e, nil
}

// Run sends until ctx ends, then closes every viewer.
func (e *Engine) Run(ctx context.Context) error {
	var shards, handshakes sync.WaitGroup
	stop := make(chan struct{})
	for _, s := range e.shards {
		shards.Go(func() { s.run(stop) })
	}
	handshakes.Go(func() { _ = e.desk.Run(ctx) })
	e.attend(ctx)
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	for _, v := range e.all() {
		v.Close(hub.ErrShutdown)
	}
	handshakes.Wait()
	close(stop)
	shards.Wait()
	return nil
}

// attend closes viewers that never connected or were lost, until ctx ends.
func (e *Engine) attend(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			for _, v := range e.all() {
				v.expire(now)
			}
		}
	}
}

func (e *Engine) all() []*Viewer {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*Viewer, 0, len(e.viewers))
	for v := range e.viewers {
		list = append(list, v)
	}
	return list
}

// Watch answers a viewer's offer and will send it the stream of sub once it
// has connected. The subscription belongs to the viewer from now on, whatever
// the outcome. It returns *UnsupportedError when the viewer lacks the stream's
// codec.
func (e *Engine) Watch(sub *hub.Subscription, o *offer.Offer) (v *Viewer, answer string, err error) {
	defer func() {
		if err != nil {
			sub.Close(err)
		}
	}()
	v = newViewer(e, sub, o)
	if err := v.unplayable(sub.Stream()); err != nil {
		return nil, "", err
	}
	ice, credentials := lite.NewAgent(e.port, v, lite.Credentials{Ufrag: o.Ufrag, Password: o.Password})
	v.ice, v.shard = ice, e.reserve()
	if err := ice.Open(); err != nil { // from now on the port calls the viewer
		e.release(v.shard)
		return nil, "", fmt.Errorf("watch: %w", err)
	}
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		ice.Close()
		e.release(v.shard)
		return nil, "", hub.ErrShutdown
	}
	e.viewers[v] = struct{}{}
	e.mu.Unlock()
	sub.Bind(v.tracksChanged, v.Close)
	return v, v.answer(o, credentials, 0), nil
}

// reserve takes a place in the shard with the fewest viewers.
func (e *Engine) reserve() *shard {
	e.mu.Lock()
	defer e.mu.Unlock()
	best := e.shards[0]
	for _, s := range e.shards[1:] {
		if s.load < best.load {
			best = s
		}
	}
	best.load++
	return best
}

// release gives the place of a viewer back that does not come.
func (e *Engine) release(s *shard) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.load--
}

// forget takes a closed viewer from the books.
func (e *Engine) forget(v *Viewer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.viewers[v]; ok {
		delete(e.viewers, v)
		v.shard.load--
	}
}

// send puts one datagram on its way; what cannot be sent is counted, since
// every protocol above repeats what gets lost.
func (e *Engine) send(b []byte, to netip.AddrPort) {
	if err := e.port.Send(b, to); err != nil {
		e.count.unsent.Inc()
	}
}

// counters are what the engine counts.
type counters struct {
	packets, bytes, resent, nacked, keyframes, skipped, unsent, badChecks, badRTCP, faults *metric.Counter

	dropped *drops
}

func newCounters(r *metric.Registry) *counters {
	return &counters{
		packets:   r.Counter("heliograph_egress_packets_total", "RTP packets sent to WebRTC viewers, repeated ones included."),
		bytes:     r.Counter("heliograph_egress_bytes_total", "Bytes of SRTP sent to WebRTC viewers."),
		resent:    r.Counter("heliograph_egress_resent_total", "RTP packets sent again because a viewer asked."),
		nacked:    r.Counter("heliograph_egress_nacked_total", "RTP packets that viewers asked for again."),
		keyframes: r.Counter("heliograph_egress_keyframe_requests_total", "Keyframe requests from viewers, before merging."),
		skipped:   r.Counter("heliograph_egress_skips_total", "Times a viewer fell behind and skipped to a keyframe."),
		unsent:    r.Counter("heliograph_egress_unsent_total", "Datagrams that the network did not take."),
		badChecks: r.Counter("heliograph_egress_bad_checks_total", "ICE checks that proved nothing."),
		badRTCP:   r.Counter("heliograph_egress_bad_rtcp_total", "SRTCP packets that failed authentication or made no sense."),
		faults:    r.Counter("heliograph_egress_faults_total", "Viewers closed by a fault of the server."),
		dropped:   newDrops(r),
	}
}
