package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteText prints the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s %s\n", name, fmt.Sprintf(format, args...))
	}
	l := r.Load
	row("viewers", "%d of %d joined, %d failed, %d lost; %g joins/s; measured for %g s",
		l.Joined, l.Viewers, l.Failed, l.Lost, l.Ramp, l.Measured)
	row("way", "%s", l.Way)
	for _, f := range r.Failures {
		row("", "%d x %s", f.Viewers, f.Reason)
	}
	if l.Joined > 0 {
		r.joinText(row)
	}
	if l.Measured > 0 {
		r.windowText(row)
	}
	for _, text := range r.Warnings {
		row("WARNING", "%s", text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

type rowFunc func(name, format string, args ...any)

func (r *Report) joinText(row rowFunc) {
	row("join, ms", "%10s %10s %10s %10s", "min", "median", "p95", "max")
	for _, j := range []struct {
		name string
		s    Summary
	}{
		{"  answer", r.Join.Answer}, {"  connected", r.Join.Connected},
		{"  first packet", r.Join.FirstPacket}, {"  first picture", r.Join.FirstKeyframe},
	} {
		row(j.name, "%10.1f %10.1f %10.1f %10.1f", j.s.Min, j.s.Median, j.s.P95, j.s.Max)
	}
}

func (r *Report) windowText(row rowFunc) {
	s, d, t := r.Source, r.Delivery, r.Latency
	row("source", "%.1f frames/s, %.0f packets/s, %.0f kbit/s; %d keyframe requests",
		s.FramesPerSecond, s.PacketsPerSecond, s.Kbps, s.KeyframeRequests)
	row("latency, ms", "p50 %.2f  p95 %.2f  p99 %.2f  max %.2f  (%d frames)", t.P50, t.P95, t.P99, t.Max, t.Frames)
	row("video", "%d of %d packets, %d lost, %d twice", d.Video.Received, d.Video.Expected, d.Video.Lost, d.Video.Duplicates)
	row("audio", "%d of %d packets, %d lost, %d twice", d.Audio.Received, d.Audio.Expected, d.Audio.Lost, d.Audio.Duplicates)
	row("loss", "%.3f %%; %d of %d frames whole", d.LossPercent, d.FramesWhole, d.FramesExpected)
	row("stalls", "%d over 200 ms at %d viewers, longest %.0f ms", d.Stalls, d.StalledViewers, d.LongestStall)
	row("bit rate", "%.0f to %.0f kbit/s a viewer, %.1f Mbit/s in all", d.Kbps.Min, d.Kbps.Max, d.Mbps)
	if p := r.Server; p != nil {
		row("server CPU", "%.2f us a packet; %.2f s, %.1f %% of a core; %.2f ms a join",
			p.PerPacket, p.CPUSeconds, p.CPUPercent, p.PerJoin)
		row("server memory", "RSS %.1f MB before, %.1f MB after, %s KB a viewer; %d threads",
			mega(p.RSSBefore), mega(p.RSSAfter), kilo(p.RSSPerViewer), p.Threads)
	}
	if g := r.Go; g != nil {
		row("server Go", "heap %.1f to %.1f MB, stacks %.1f to %.1f MB, %s KB a viewer; %d goroutines, %.2f a viewer",
			mega(g.HeapBefore), mega(g.HeapAfter), mega(g.StackBefore), mega(g.StackAfter),
			kilo(g.PerViewer), g.Goroutines, g.GoroutinesPerView)
	}
	c := r.Client
	row("load client", "%.2f us a packet, %.0f %% of a core (%d cores), p99 lag %.2f ms, %d socket drops",
		c.PerPacket, c.CPUPercent, c.Cores, c.LagP99, c.SocketDrops)
	feedback := "no transport-wide feedback, which the server does not want"
	if c.TransportFeedback > 0 {
		feedback = fmt.Sprintf("%d transport-wide feedbacks, one each 100 ms and viewer", c.TransportFeedback)
	}
	row("", "sent back %d receiver reports, one each second and viewer, and %s", c.ReceiverReports, feedback)
	row("", "asks for nothing again: what is lost stays lost")
}

// kilo writes what a viewer took, where that could be told.
func kilo(bytes int64) string {
	if bytes <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", float64(bytes)/1000)
}

func mega(bytes uint64) float64 { return float64(bytes) / 1e6 }
