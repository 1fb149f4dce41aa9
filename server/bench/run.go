package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heliograph/heliograph/server/bench/clip"
)

const phaseMeasuring = "measuring"

// run is one measurement under way.
type run struct {
	// set at construction
	cfg     Config
	dialer  *dialer
	viewers []*viewer
	pub     *publisher
	rounds  *rounds
	began   time.Time
	ip      net.IP // announced by viewers

	// owned by Run
	before, ramped, start, end snapshot // ramped: when all have joined
	early                      bool
	pubErr                     error // the publisher was lost

	// atomic
	tally atomic.Pointer[tally]
	phase atomic.Pointer[string]
}

// Run publishes, joins the viewers, measures and leaves. A line of progress
// goes to progress every second. When ctx ends early, the report holds what
// was measured until then. It fails if the publisher or no viewer at all got
// through.
func Run(ctx context.Context, cfg Config, progress io.Writer) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.PID != 0 {
		if _, err := readProcess(cfg.PID); err != nil {
			return nil, err
		}
	}
	c, err := clip.Open(ctx, cfg.Clip, cfg.GOP)
	if err != nil {
		return nil, err
	}
	return runClip(ctx, cfg, c, progress)
}

func runClip(ctx context.Context, cfg Config, c *clip.Clip, progress io.Writer) (*Report, error) {
	d, err := newDialer()
	if err != nil {
		return nil, err
	}
	defer d.http.CloseIdleConnections()
	r := &run{cfg: cfg, dialer: d, began: time.Now(), rounds: newRounds()}
	r.tally.Store(&tally{})
	r.setPhase("publishing")
	if r.ip, err = localAddr(cfg.WHEP.URL); err != nil {
		return nil, err
	}
	if r.pub, err = newPublisher(ctx, d, cfg.WHIP, c); err != nil {
		return nil, fmt.Errorf("the publisher could not go live: %w", err)
	}
	for i := range cfg.Viewers {
		v := newViewer(d, cfg.WHEP, r.rounds, &r.tally)
		v.way, v.source = cfg.Relay, loopbackSource(i, cfg.Viewers)
		r.viewers = append(r.viewers, v)
	}
	if err := r.run(ctx, progress); err != nil {
		return nil, err
	}
	return r.report()
}

// run holds everything that was started until it has ended.
func (r *run) run(ctx context.Context, progress io.Writer) error {
	all, running := errgroup.WithContext(ctx)
	all.Go(func() error { return r.pub.Run(running) })
	all.Go(func() error {
		// The viewers leave first: a publisher that ends before them would
		// look like a broken connection to each.
		r.watchAll(running, progress)
		return errEnd
	})
	err := all.Wait()
	if errors.Is(err, errEnd) || ctx.Err() != nil {
		return nil
	}
	if r.start.at.IsZero() {
		return err
	}
	r.pubErr = err // report what was measured until then
	return nil
}

// errEnd stops the group when the measurement is over.
var errEnd = errors.New("the measurement is over")

// watchAll runs the viewers and the measurement.
func (r *run) watchAll(ctx context.Context, progress io.Writer) {
	watching, leave := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer leave()
	wg.Go(func() { r.printProgress(watching, progress) })
	wg.Go(func() { r.rounds.Run(watching) })

	r.before = r.baseline(ctx)
	r.setPhase("joining")
	for _, v := range r.viewers {
		wg.Go(func() { v.Run(watching, r.ip) })
		if !sleep(ctx, time.Duration(float64(time.Second)/r.cfg.Ramp)) {
			break
		}
	}
	for _, v := range r.viewers {
		select {
		case <-v.joined:
		case <-ctx.Done():
		}
	}
	r.ramped = r.snapshot(ctx)
	if r.joined() > 0 {
		r.setPhase("warming up")
		sleep(ctx, r.cfg.Warmup)
		r.measure(ctx)
	}
	r.setPhase("leaving")
}

// measure fills start and end with the state around the measured window.
func (r *run) measure(ctx context.Context) {
	if ctx.Err() != nil {
		r.early = true
		return
	}
	r.setPhase(phaseMeasuring)
	r.start = r.snapshot(ctx)
	for _, v := range r.viewers {
		v.recv.mark(r.start.at.UnixNano())
	}
	r.tally.Store(&tally{})
	least := r.sampleMemory(ctx, r.cfg.Duration)
	r.early = ctx.Err() != nil
	r.end = r.snapshot(context.WithoutCancel(ctx))
	r.end.memory = least
	for _, v := range r.viewers {
		r.end.readings = append(r.end.readings, v.recv.read(r.end.at.UnixNano()))
	}
}

func (r *run) joined() int {
	n := 0
	for _, v := range r.viewers {
		if v.isJoined() {
			n++
		}
	}
	return n
}

func (r *run) setPhase(name string) { r.phase.Store(&name) }

// sleep waits for d and returns false if ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
