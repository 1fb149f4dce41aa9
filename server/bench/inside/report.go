package inside

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report is the result of a run, and what --json prints.
type Report struct {
	Viewers int          `json:"viewers"`
	Seconds float64      `json:"paced_seconds"`
	Go      string       `json:"go"`
	Threads int          `json:"gomaxprocs"`
	Cores   int          `json:"cores"`
	Paced   PacedReport  `json:"paced"`
	Flat    FlatReport   `json:"flat_out"`
	Memory  MemoryReport `json:"memory"`
}

// Spread is the least, middle and largest value of all repetitions.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

// PacedReport is the cost of sending as an encoder does.
type PacedReport struct {
	Packets     uint64        `json:"packets"`  // sent to all viewers
	Expected    uint64        `json:"expected"` // written, times the viewers
	CPU         Spread        `json:"cpu_ns_per_packet"`
	Client      Spread        `json:"client_cpu_ns_per_packet"`  // of that, what this program spent on the viewers' side
	CPUPercent  float64       `json:"cpu_percent"`               // of one core
	WaitPercent float64       `json:"waited_for_a_core_percent"` // of the time, all threads
	Allocations Spread        `json:"allocations_per_packet"`
	First       LatencyReport `json:"first_viewer"` // in the order of sending
	Last        LatencyReport `json:"last_viewer"`
}

// LatencyReport is the time in ms from the write of a frame's last packet into
// the hub to its arrival at one viewer. Packets of a keyframe leave with pauses
// on purpose, so that it does not overrun a slow link; it has a row of its own.
type LatencyReport struct {
	Expected int     `json:"expected"` // packets of video
	Received int     `json:"received"`
	Broken   int     `json:"broken"` // that could not be decrypted
	Ordinary Latency `json:"ordinary_ms"`
	Keyframe Latency `json:"keyframe_ms"`
}

// Latency is that of one kind of frame: the spread of the repetitions' medians
// and 99th percentiles.
type Latency struct {
	Frames int     `json:"frames"`
	P50    Spread  `json:"p50"`
	P99    Spread  `json:"p99"`
	Max    float64 `json:"max"`
}

// FlatReport is the speed without pauses, and that of the least which any
// sender has to do.
type FlatReport struct {
	CPU         Spread `json:"cpu_ns_per_packet"`
	PerSecond   Spread `json:"packets_per_second"`
	Limit       Spread `json:"limit_cpu_ns_per_packet"`
	LimitSecond Spread `json:"limit_packets_per_second"`
	Share       Spread `json:"share_of_limit_percent"` // by CPU time, of one repetition each
}

// MemoryReport is what a viewer takes, both of its ends included: the client
// keeps below 1 KB of it.
type MemoryReport struct {
	Heap       int64   `json:"heap_and_stack_per_viewer_bytes"`
	Resident   int64   `json:"rss_per_viewer_bytes"`
	Goroutines float64 `json:"goroutines_per_viewer"`
	JoinMs     float64 `json:"join_ms"` // both ends on this machine
}

func newReport(cfg Config) *Report {
	return &Report{
		Viewers: cfg.Viewers, Seconds: cfg.Duration.Seconds(), Go: runtime.Version(),
		Threads: runtime.GOMAXPROCS(0), Cores: runtime.NumCPU(),
	}
}

// pacedReport sums up the windows; all is the time from the first to the last.
func (r *run) pacedReport(all window) PacedReport {
	out := PacedReport{
		Packets: all.packets, Expected: all.written * uint64(r.cfg.Viewers),
		CPUPercent: round3(100 * all.cpu.Seconds() / r.cfg.Duration.Seconds()),
	}
	var cpu, client, allocations []float64
	for _, w := range r.windows {
		n := float64(max(w.packets, 1))
		cpu = append(cpu, float64(w.cpu)/n)
		client = append(client, float64(w.client)/n)
		allocations = append(allocations, float64(w.allocations)/n)
	}
	out.CPU, out.Client, out.Allocations = spread(cpu), spread(client), spread(allocations)
	out.First = r.latencies(all, func(w window) reading { return w.first })
	out.Last = r.latencies(all, func(w window) reading { return w.last })
	return out
}

func (r *run) latencies(all window, of func(window) reading) LatencyReport {
	out := LatencyReport{Expected: int(all.pictures)}
	var ordinary, keys [][]time.Duration
	for _, w := range r.windows {
		got := of(w)
		out.Received += got.measured
		out.Broken += got.broken
		ordinary, keys = append(ordinary, got.ordinary), append(keys, got.keys)
	}
	out.Ordinary, out.Keyframe = latency(ordinary), latency(keys)
	return out
}

// latency sums up repetitions of one kind of frame.
func latency(repetitions [][]time.Duration) (out Latency) {
	var p50, p99 []float64
	for _, list := range repetitions {
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		rank := func(q float64) float64 {
			return milliseconds(list[max(0, int(math.Ceil(q*float64(len(list))))-1)])
		}
		out.Frames += len(list)
		p50, p99 = append(p50, rank(0.50)), append(p99, rank(0.99))
		out.Max = max(out.Max, rank(1))
	}
	out.P50, out.P99 = spread(p50), spread(p99)
	return out
}

func flatReport(rounds []round) (out FlatReport) {
	var cpu, second, limit, limitSecond, share []float64
	for _, r := range rounds {
		cpu, second = append(cpu, r.flat.each()), append(second, r.flat.perSecond())
		limit, limitSecond = append(limit, r.limit.each()), append(limitSecond, r.limit.perSecond())
		share = append(share, 100*r.limit.each()/r.flat.each())
	}
	return FlatReport{spread(cpu), spread(second), spread(limit), spread(limitSecond), spread(share)}
}

// each is the CPU time of a packet in ns.
func (s speed) each() float64 { return float64(s.cpu) / float64(max(s.packets, 1)) }

func (s speed) perSecond() float64 { return math.Round(float64(s.packets) / s.duration.Seconds()) }

// WriteJSON prints the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteText prints the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-24s %s\n", name, fmt.Sprintf(format, args...))
	}
	spread := func(name, format string, s Spread) {
		cell := func(v float64) string { return fmt.Sprintf(format, v) }
		row(name, "%12s %12s %12s", cell(s.Min), cell(s.Median), cell(s.Max))
	}
	row("in this process", "%d viewers; GOMAXPROCS %d, %d cores, %s", r.Viewers, r.Threads, r.Cores, r.Go)
	row("", "%12s %12s %12s", "min", "median", "max")
	p := r.Paced
	row("PACED", "%d frames/s of %d packets, a keyframe of %d each %g s, audio %d/s; %g s",
		framesPerSecond, framePackets, keyPackets, keyframeEvery.Seconds(), audioPerSecond, r.Seconds)
	row("sent", "%d of %d packets, with %.1f %% of a core", p.Packets, p.Expected, p.CPUPercent)
	spread("CPU, ns a packet", "%.0f", p.CPU)
	spread("  of these, clients", "%.0f", p.Client)
	spread("allocations a packet", "%.4f", p.Allocations)
	for _, v := range []struct {
		name string
		l    LatencyReport
	}{{"last viewer", p.Last}, {"first viewer", p.First}} {
		spread(v.name+", p50 ms", "%.2f", v.l.Ordinary.P50)
		spread("  p99 ms", "%.2f", v.l.Ordinary.P99)
		row("  video", "%d of %d packets arrived, %d broken", v.l.Received, v.l.Expected, v.l.Broken)
		row("  frames", "%d, max %.2f ms; %d keyframes, p50 %.2f ms, max %.2f ms", v.l.Ordinary.Frames, v.l.Ordinary.Max,
			v.l.Keyframe.Frames, v.l.Keyframe.P50.Median, v.l.Keyframe.Max)
	}
	f := r.Flat
	row("FLAT OUT", "bursts of %d packets, each when the one before has been sent", framePackets)
	spread("CPU, ns a packet", "%.0f", f.CPU)
	spread("packets/s", "%.0f", f.PerSecond)
	spread("limit, ns a packet", "%.0f", f.Limit)
	spread("limit, packets/s", "%.0f", f.LimitSecond)
	spread("share of the limit, %", "%.1f", f.Share)
	m := r.Memory
	row("MEMORY", "heap and stacks %.1f KB, RSS %.1f KB, %.2f goroutines a viewer", float64(m.Heap)/1000, float64(m.Resident)/1000, m.Goroutines)
	row("join", "%.2f ms one after another, both ends", m.JoinMs)
	for _, text := range r.warnings() {
		row("WARNING", "%s", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// warnings say what makes a figure doubtful.
func (r *Report) warnings() (list []string) {
	p := r.Paced
	if p.WaitPercent > 5 {
		list = append(list, fmt.Sprintf("for %.0f %% of the time a thread was ready and had no core, as other programs were busy: "+
			"the latency is theirs as well, and cold caches make every packet dearer", p.WaitPercent))
	}
	if p.Packets < p.Expected {
		list = append(list, fmt.Sprintf("only %d of %d packets were sent: the sender did not keep up", p.Packets, p.Expected))
	}
	if p.First.Received < p.First.Expected || p.Last.Received < p.Last.Expected {
		list = append(list, "a probe did not get all packets of video")
	}
	return list
}

// spread returns the spread of values; zero if there are none.
func spread(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{round4(sorted[0]), round4(sorted[len(sorted)/2]), round4(sorted[len(sorted)-1])}
}

func milliseconds(d time.Duration) float64 { return round3(float64(d) / float64(time.Millisecond)) }

func round3(v float64) float64 { return math.Round(v*1000) / 1000 }

func round4(v float64) float64 { return math.Round(v*10_000) / 10_000 }
