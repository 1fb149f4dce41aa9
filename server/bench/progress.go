package bench

import (
	"context"
	"fmt"
	"io"
	"time"
)

// moment is what a line of progress shows.
type moment struct {
	elapsed                    time.Duration
	phase                      string
	joined, viewers, receiving int
	packets                    float64 // per second, of all viewers
	lost, expected             uint64
	p99                        time.Duration // 0 outside the measured window
}

// String is the line.
func (m moment) String() string {
	line := fmt.Sprintf("%4ds  %-10s  joined %d/%d  receiving %d  %.0f packets/s  lost %d (%.2f %%)",
		int(m.elapsed.Seconds()), m.phase, m.joined, m.viewers, m.receiving, m.packets,
		m.lost, counts{Expected: m.expected, Lost: m.lost}.lossPercent())
	if m.p99 > 0 {
		line += fmt.Sprintf("  p99 %.1f ms", milliseconds(m.p99))
	}
	return line
}

// printProgress writes a line each second until ctx ends.
func (r *run) printProgress(ctx context.Context, w io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	before := make([]uint64, len(r.viewers))
	at := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		fmt.Fprintln(w, r.moment(before, now.Sub(at)))
		at = now
	}
}

// moment looks at all viewers. before holds the packets of each at the last
// look, span ago, and is brought up to date.
func (r *run) moment(before []uint64, span time.Duration) moment {
	m := moment{elapsed: time.Since(r.began), phase: *r.phase.Load(), viewers: len(r.viewers)}
	var fresh uint64
	for i, v := range r.viewers {
		if v.up.Load() {
			m.joined++
		}
		v.recv.mu.Lock()
		video, audio, total := v.recv.video.counts(), v.recv.audio.counts(), v.recv.packets.total
		v.recv.mu.Unlock()
		m.expected += video.Expected + audio.Expected
		m.lost += video.Lost + audio.Lost
		if total > before[i] {
			m.receiving++
			fresh += total - before[i]
			before[i] = total
		}
	}
	m.packets = float64(fresh) / span.Seconds()
	if m.phase == phaseMeasuring {
		m.p99 = r.tally.Load().latency.quantile(0.99)
	}
	return m
}
