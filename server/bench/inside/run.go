package inside

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
)

// Each figure is taken this often, and the spread of what came is reported.
const repetitions = 5

// warmup is left out of the measurement, and shorter than it.
const warmup = time.Second

// historyFrames is what the hub holds: from the keyframe before the newest one
// on, or a little less.
const historyFrames = 3 * framesPerSecond

// earlyViewers join before the memory is read for the first time.
const earlyViewers = MinViewers - 1

// How long one repetition flat out is: a share of the paced part.
const (
	burstShare = 50
	burstMost  = 300 * time.Millisecond
)

// MinViewers is the smallest number of viewers: the two probes and one that is
// none.
const MinViewers = 3

// Config says how much to measure.
type Config struct {
	Viewers  int           // at least MinViewers
	Duration time.Duration // of the paced part
}

// run is one measurement under way.
type run struct {
	cfg      Config
	progress io.Writer
	house    *house
	feeder   *feeder
	audience audience
	report   *Report
	windows  []window
}

// Run measures. A line goes to progress when a part begins. It fails where the
// system is not Linux, and when ctx ends early.
func Run(ctx context.Context, cfg Config, progress io.Writer) (_ *Report, err error) {
	if runtime.GOOS != "linux" {
		return nil, errNoBatch
	}
	id, err := client.NewIdentity()
	if err != nil {
		return nil, err
	}
	h, err := openHouse(ctx)
	if err != nil {
		return nil, err
	}
	stop := h.run(context.WithoutCancel(ctx))
	defer func() { err = errors.Join(err, stop()) }()
	r := &run{cfg: cfg, progress: progress, house: h, feeder: newFeeder(h), report: newReport(cfg)}
	r.audience.identity = id
	if err := h.publish(ctx); err != nil {
		return nil, err
	}
	defer r.audience.close()
	if err := r.all(ctx); err != nil {
		return nil, err
	}
	return r.report, nil
}

// all does the parts in their order.
func (r *run) all(ctx context.Context) error {
	r.say("joining %d viewers", r.cfg.Viewers)
	before, err := r.baseline(ctx)
	if err != nil {
		return err
	}
	if err := r.audience.join(ctx, r.house, r.cfg.Viewers, r.cfg.Viewers); err != nil {
		return err
	}
	keeping, stop := context.WithCancel(ctx)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		r.audience.keep(keeping)
	}()
	defer func() { stop(); <-kept }()

	if err := r.pacedPart(ctx); err != nil {
		return err
	}
	more := r.cfg.Viewers - earlyViewers
	r.report.Memory = readMemory().since(before, more)
	r.report.Memory.JoinMs = round3(milliseconds(r.audience.joining) / float64(more))
	return r.flatPart(ctx)
}

// baseline is the memory with two viewers, who bring into it what the first of
// all needs once, and with as much of the stream as the hub ever holds. Then
// the stream begins anew with a keyframe.
func (r *run) baseline(ctx context.Context) (memory, error) {
	r.feeder.frame(true, keyPackets)
	r.feeder.sound()
	if err := r.audience.join(ctx, r.house, earlyViewers, r.cfg.Viewers); err != nil {
		return memory{}, err
	}
	for range historyFrames {
		r.feeder.frame(false, framePackets)
		r.feeder.sound()
	}
	if err := sleep(ctx, settleTime); err != nil {
		return memory{}, err
	}
	before := readMemory()
	r.feeder.frame(true, keyPackets)
	return before, nil
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.progress, format+"\n", args...) }

// pacedPart measures what viewers have of it.
func (r *run) pacedPart(ctx context.Context) error {
	r.say("paced, for %s", r.cfg.Duration)
	r.audience.reading.Store(true)
	defer r.audience.reading.Store(false)
	if err := r.feeder.paced(ctx, min(warmup, r.cfg.Duration/2)); err != nil {
		return err
	}
	r.feeder.measured, r.feeder.cadence = true, 0
	all, waited := r.beginWindow(), waitedForCore()
	for range repetitions {
		w := r.beginWindow()
		if err := r.feeder.paced(ctx, r.cfg.Duration/repetitions); err != nil {
			return err
		}
		r.windows = append(r.windows, r.endWindow(w))
	}
	r.feeder.measured = false
	if err := sleep(ctx, 5*readEvery); err != nil { // for what is still on its way to the probes
		return err
	}
	all = r.endWindow(all)
	end := &r.windows[repetitions-1]
	end.first, end.last = end.first.and(all.first), end.last.and(all.last)
	r.report.Paced = r.pacedReport(all)
	r.report.Paced.WaitPercent = round3(100 * (waitedForCore() - waited).Seconds() / r.cfg.Duration.Seconds())
	return nil
}

// flatPart measures what the sender can do, and what any could.
func (r *run) flatPart(ctx context.Context) error {
	var to []netip.AddrPort
	for _, c := range r.audience.clients[1 : len(r.audience.clients)-1] {
		to = append(to, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), c.Host().Port()))
	}
	l, err := newLimit(to)
	if err != nil {
		return err
	}
	defer l.close()
	r.say("flat out and at the limit, %d times in turn", repetitions)
	if err := r.feeder.settle(ctx); err != nil {
		return err
	}
	var rounds []round
	d := min(r.cfg.Duration/burstShare, burstMost)
	for n := range repetitions + 1 {
		least, err := r.speed(func() (uint64, error) { return l.run(ctx, d) })
		if err != nil {
			return err
		}
		flat, err := r.speed(func() (uint64, error) { return r.feeder.flatOut(ctx, d, r.cfg.Viewers) })
		if err != nil {
			return err
		}
		if n > 0 { // the first one warms up
			rounds = append(rounds, round{least, flat})
		}
	}
	r.report.Flat = flatReport(rounds)
	return nil
}

// speed is what one repetition took.
type speed struct {
	packets       uint64
	cpu, duration time.Duration
}

// round is one repetition of both.
type round struct{ limit, flat speed }

func (r *run) speed(send func() (uint64, error)) (speed, error) {
	cpu, at := processCPU(), time.Now()
	packets, err := send()
	return speed{packets, processCPU() - cpu, time.Since(at)}, err
}

// window is what changed within one repetition of the paced part.
type window struct {
	packets, allocations uint64
	written, pictures    uint64 // packets into the hub; those of video
	cpu, client          time.Duration
	first, last          reading
}

// beginWindow returns the counts so far.
func (r *run) beginWindow() window {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return window{
		packets: r.house.sent.Value(), allocations: m.Mallocs,
		written: r.feeder.written, pictures: r.feeder.pictures,
		cpu: processCPU(), client: time.Duration(r.audience.cpu.Load()),
	}
}

// endWindow returns what has changed since w.
func (r *run) endWindow(w window) window {
	now := r.beginWindow()
	return window{
		packets: now.packets - w.packets, allocations: now.allocations - w.allocations,
		written: now.written - w.written, pictures: now.pictures - w.pictures,
		cpu: now.cpu - w.cpu, client: now.client - w.client,
		first: r.audience.first.take(), last: r.audience.last.take(),
	}
}

// memory is the state of this process's memory.
type memory struct {
	heap, resident int64
	goroutines     int
}

// readMemory reads it after a garbage collection, with what is free given back.
func readMemory() memory {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{heap: int64(m.HeapAlloc + m.StackInuse), resident: residentBytes(), goroutines: runtime.NumGoroutine()}
}

func (m memory) since(before memory, viewers int) MemoryReport {
	n := float64(viewers)
	return MemoryReport{
		Heap: (m.heap - before.heap) / int64(viewers), Resident: (m.resident - before.resident) / int64(viewers),
		Goroutines: round3(float64(m.goroutines-before.goroutines) / n),
	}
}
