package bench

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
)

const memoryEvery = 2 * time.Second

// snapshot is the state of everything at one moment.
type snapshot struct {
	at       time.Time
	own      time.Duration // CPU of this process
	process  process
	memory   goMemory
	frames   uint64
	packets  uint64
	bytes    uint64
	drops    uint64
	passed   uint64    // packets that viewers have got since they began to join
	readings []reading // of each viewer since the last mark
}

func (r *run) snapshot(ctx context.Context) snapshot {
	s := snapshot{
		at: time.Now(), own: ownCPU(),
		frames: r.pub.frames.Load(), packets: r.pub.packets.Load(), bytes: r.pub.bytes.Load(),
	}
	if r.cfg.PID != 0 {
		s.process, _ = readProcess(r.cfg.PID) // a server that died shows in every other figure
	}
	for _, v := range r.viewers {
		if v.isJoined() {
			s.drops += uint64(v.client.Drops())
			s.passed += v.recv.total()
		}
	}
	return s
}

// baseline is the state with a publisher and no viewer.
func (r *run) baseline(ctx context.Context) snapshot {
	least := r.sampleMemory(ctx, r.cfg.Baseline)
	s := r.snapshot(ctx)
	s.memory = least
	return s
}

// sampleMemory waits for d. Meanwhile it reads the server's metrics, if there
// are any, and keeps the reading with the least heap.
func (r *run) sampleMemory(ctx context.Context, d time.Duration) goMemory {
	var least goMemory
	for end := time.Now().Add(d); ; {
		if r.cfg.Metrics != "" {
			m, err := readMetrics(ctx, r.dialer.http, r.cfg.Metrics)
			if err == nil && (least.heap == 0 || m.heap < least.heap) {
				least = m
			}
		}
		left := time.Until(end)
		if left <= 0 || !sleep(ctx, min(left, memoryEvery)) {
			return least
		}
	}
}

// report makes the result. It fails if no viewer got through.
func (r *run) report() (*Report, error) {
	out := &Report{Load: r.load(), Viewers: []ViewerReport{}}
	out.Failures = r.failures()
	if out.Load.Joined == 0 && len(out.Failures) > 0 {
		return nil, fmt.Errorf("no viewer could join: %s", out.Failures[0].Reason)
	}
	out.Join = r.joinReport()
	if !r.end.at.IsZero() {
		r.measured(out)
	}
	out.Warnings = r.warnings(out)
	return out, nil
}

func (r *run) load() Load {
	l := Load{
		WHIP: plainURL(r.cfg.WHIP.URL), WHEP: plainURL(r.cfg.WHEP.URL),
		Viewers: r.cfg.Viewers, Joined: r.joined(), Ramp: r.cfg.Ramp, Way: wayText(r.cfg.Relay),
		Early: r.early || r.end.at.IsZero(),
	}
	for _, v := range r.viewers {
		if v.failed() {
			l.Failed++
		}
		if v.lost.Load() {
			l.Lost++
		}
	}
	if !r.end.at.IsZero() {
		l.Measured = round3(r.end.at.Sub(r.start.at).Seconds())
	}
	return l
}

// wayText names the way that viewers come.
func wayText(way client.Way) string {
	if way == "" {
		return "direct"
	}
	return "relay " + string(way)
}

// failures are the reasons, the most frequent first.
func (r *run) failures() []Failure {
	var out []Failure
	for _, v := range r.viewers {
		if !v.failed() {
			continue
		}
		reason := v.failure.Error()
		at := slices.IndexFunc(out, func(f Failure) bool { return f.Reason == reason })
		if at < 0 {
			at, out = len(out), append(out, Failure{Reason: reason})
		}
		out[at].Viewers++
	}
	slices.SortStableFunc(out, func(a, b Failure) int { return cmp.Compare(b.Viewers, a.Viewers) })
	return out
}

func (r *run) joinReport() JoinReport {
	var answer, connected, packet, frame []float64
	for _, v := range r.viewers {
		if v.isJoined() {
			answer = append(answer, milliseconds(v.join.answer))
			connected = append(connected, milliseconds(v.join.connected))
			packet = append(packet, milliseconds(v.join.firstPacket))
			frame = append(frame, milliseconds(v.join.decodable))
		}
	}
	return JoinReport{
		Answer: summarize(answer), Connected: summarize(connected),
		FirstPacket: summarize(packet), FirstKeyframe: summarize(frame),
	}
}

// measured fills in everything that belongs to the measured window.
func (r *run) measured(out *Report) {
	seconds := r.end.at.Sub(r.start.at).Seconds()
	frames := r.end.frames - r.start.frames
	out.Source = SourceReport{
		Frames: frames, FramesPerSecond: per(float64(frames), seconds),
		PacketsPerSecond: per(float64(r.end.packets-r.start.packets), seconds),
		Kbps:             per(float64(r.end.bytes-r.start.bytes)*8/1000, seconds),
		KeyframeRequests: r.pub.plis.Load(), LateP99: milliseconds(r.pub.late.quantile(0.99)),
	}
	t := r.tally.Load()
	out.Latency = LatencyReport{
		Frames: t.latency.total.Load(), P50: milliseconds(t.latency.quantile(0.50)),
		P95: milliseconds(t.latency.quantile(0.95)), P99: milliseconds(t.latency.quantile(0.99)),
		Max: milliseconds(time.Duration(t.latency.max.Load())),
	}
	r.delivery(out, seconds)
	r.server(out, seconds)
	used := (r.end.own - r.start.own).Seconds()
	out.Client = ClientReport{
		CPUPercent: per(100*used, seconds), Cores: runtime.NumCPU(), PerPacket: per(used*1e6, float64(out.Delivery.received())),
		LagP99: milliseconds(t.lag.quantile(0.99)), SocketDrops: r.end.drops - r.start.drops,
	}
	for i, v := range r.viewers {
		if v.isJoined() {
			out.Client.ReceiverReports += r.end.readings[i].sent.reports
			out.Client.TransportFeedback += r.end.readings[i].sent.feedback
		}
	}
	out.Client.Saturated = out.Client.LagP99 > milliseconds(3*roundTime) || out.Client.SocketDrops > 0 ||
		out.Client.CPUPercent > 90*float64(out.Client.Cores)
}

func (r *run) delivery(out *Report, seconds float64) {
	d := &out.Delivery
	var kbps []float64
	for i, v := range r.viewers {
		if !v.isJoined() {
			continue
		}
		got := r.end.readings[i]
		view := ViewerReport{
			ID: i, Video: got.video, Audio: got.audio, FramesWhole: got.frames.whole,
			Stalls: got.frames.stalls, LongestGap: milliseconds(got.frames.longest),
			Kbps: per(float64(got.bytes)*8/1000, seconds), FirstFrameMs: milliseconds(v.join.decodable),
			Lost: v.lost.Load(),
		}
		out.Viewers = append(out.Viewers, view)
		d.Video.add(got.video)
		d.Audio.add(got.audio)
		d.FramesExpected += out.Source.Frames
		d.FramesWhole += got.frames.whole
		if d.Stalls += got.frames.stalls; got.frames.stalls > 0 {
			d.StalledViewers++
			d.LongestStall = max(d.LongestStall, view.LongestGap)
		}
		kbps = append(kbps, view.Kbps)
		d.Mbps += view.Kbps / 1000
	}
	both := d.Video
	both.add(d.Audio)
	d.LossPercent, d.Kbps, d.Mbps = round3(both.lossPercent()), summarize(kbps), round3(d.Mbps)
}

func (r *run) server(out *Report, seconds float64) {
	joined := int64(max(1, out.Load.Joined))
	if r.cfg.PID != 0 && r.end.process.threads > 0 {
		used := (r.end.process.cpu - r.start.process.cpu).Seconds()
		before, after := r.before.process.rss, r.end.process.rss
		out.Server = &ServerReport{
			PID: r.cfg.PID, CPUSeconds: round3(used), CPUPercent: per(100*used, seconds),
			PerPacket: per(used*1e6, float64(out.Delivery.received())), PerJoin: r.perJoin(used, out),
			RSSBefore: before, RSSAfter: after, RSSPerViewer: max(0, (int64(after)-int64(before))/joined),
			Threads: r.end.process.threads,
		}
	}
	if b, a := r.before.memory, r.end.memory; b.heap > 0 && a.heap > 0 {
		out.Go = &GoReport{
			HeapBefore: b.heap, HeapAfter: a.heap, StackBefore: b.stack, StackAfter: a.stack,
			PerViewer:         max(0, (int64(a.heap+a.stack)-int64(b.heap+b.stack))/joined),
			Goroutines:        a.goroutines,
			GoroutinesPerView: max(0, per(float64(a.goroutines)-float64(b.goroutines), float64(joined))),
		}
	}
}

// perJoin is the CPU time in ms that a join took: what the server used while
// the viewers joined, without what it then used to send to them, which is
// known from the measured window (used, in seconds).
func (r *run) perJoin(used float64, out *Report) float64 {
	ramp := (r.ramped.process.cpu - r.before.process.cpu).Seconds()
	packets := float64(out.Delivery.received())
	if packets == 0 || out.Load.Joined == 0 {
		return 0
	}
	sending := used / packets * float64(r.ramped.passed)
	return round3(max(0, 1e3*(ramp-sending)/float64(out.Load.Joined)))
}

func (d *DeliveryReport) received() uint64 { return d.Video.Received + d.Audio.Received }

// isJoined tells whether the join is over and went well.
func (v *viewer) isJoined() bool {
	select {
	case <-v.joined:
		return v.failure == nil
	default:
		return false
	}
}

// failed tells whether the join is over and went wrong, other than by the end
// of the run.
func (v *viewer) failed() bool {
	select {
	case <-v.joined:
		return v.failure != nil && !cancelled(v.failure)
	default:
		return false
	}
}
