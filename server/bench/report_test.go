package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Equal(t, string(want), string(got), "%s (go test -update writes it anew)", name)
}

func exampleReport() *Report {
	video, audio := counts{Expected: 15300, Received: 15290, Lost: 10, Duplicates: 2}, counts{Expected: 2000, Received: 2000}
	return &Report{
		Load: Load{WHIP: "http://h/whip/x", WHEP: "http://h/whep/x", Viewers: 3, Joined: 2, Failed: 1, Way: "direct", Ramp: 50, Measured: 20},
		Source: SourceReport{Frames: 600, FramesPerSecond: 30, PacketsPerSecond: 306.4, Kbps: 2391,
			KeyframeRequests: 2, LateP99: 0.6},
		Join: JoinReport{Answer: Summary{1.5, 2, 3, 3}, Connected: Summary{10, 12, 15, 15},
			FirstPacket: Summary{11, 13, 16, 16}, FirstKeyframe: Summary{20, 22, 26, 26}},
		Latency: LatencyReport{Frames: 1198, P50: 0.4, P95: 0.9, P99: 1.7, Max: 5.2},
		Delivery: DeliveryReport{Video: video, Audio: audio, LossPercent: 0.058, FramesExpected: 1200, FramesWhole: 1198,
			Stalls: 1, StalledViewers: 1, LongestStall: 233.4, Kbps: Summary{2390, 2391, 2391, 2391}, Mbps: 4.782},
		Server: &ServerReport{PID: 42, CPUSeconds: 0.05, CPUPercent: 0.25, PerPacket: 2.892, RSSBefore: 30 << 20,
			RSSAfter: 31 << 20, RSSPerViewer: 524288, Threads: 9},
		Go: &GoReport{HeapBefore: 8 << 20, HeapAfter: 9 << 20, StackBefore: 1 << 20, StackAfter: 1 << 20,
			PerViewer: 524288, Goroutines: 40},
		Client:   ClientReport{CPUPercent: 4.5, Cores: 2, LagP99: 0.1},
		Viewers:  []ViewerReport{{ID: 0, Video: video, Audio: audio, FramesWhole: 598, Stalls: 1, LongestGap: 233.4, Kbps: 2390, FirstFrameMs: 20}},
		Failures: []Failure{{Reason: "the server answered 401 Unauthorized: wrong key", Viewers: 1}},
		Warnings: []string{"1 of 3 viewers could not join, so the load was lower than asked for"},
	}
}

func TestReportGolden(t *testing.T) {
	t.Parallel()
	var text, js bytes.Buffer
	r := exampleReport()
	require.NoError(t, r.WriteText(&text))
	require.NoError(t, r.WriteJSON(&js))
	golden(t, "report.txt", text.Bytes())
	golden(t, "report.json", js.Bytes())
}

func TestProgressGolden(t *testing.T) {
	t.Parallel()
	lines := []string{
		moment{elapsed: time.Second, phase: "publishing", viewers: 50}.String(),
		moment{elapsed: 2500 * time.Millisecond, phase: "joining", viewers: 50, joined: 30, receiving: 31, packets: 9000.4, expected: 9000}.String(),
		moment{elapsed: 61 * time.Second, phase: phaseMeasuring, viewers: 50, joined: 50, receiving: 50, packets: 15300,
			expected: 1000, lost: 13, p99: 1840 * time.Microsecond}.String(),
	}
	golden(t, "progress.txt", []byte(strings.Join(lines, "\n")+"\n"))
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, c := range map[string]struct {
		change func(*run, *Report)
		want   string
	}{
		"client drops":   {func(_ *run, r *Report) { r.Client.SocketDrops = 3 }, "3 packets were lost in the load client's own sockets"},
		"client slow":    {func(_ *run, r *Report) { r.Client.Saturated = true }, "the load client was short of CPU"},
		"publisher late": {func(_ *run, r *Report) { r.Source.LateP99 = 50 }, "the publisher was up to 50 ms late"},
		"no stamps":      {func(_ *run, r *Report) { r.Latency.Frames = 0 }, "the server seems to remove SEI"},
		"viewers lost":   {func(_ *run, r *Report) { r.Load.Lost = 2 }, "2 viewers lost their connection"},
		"too early":      {func(u *run, _ *Report) { u.end = snapshot{} }, "only the join times are known"},
		"publisher lost": {func(u *run, _ *Report) { u.pubErr = errDisconnected }, "the publisher was lost"},
		"server ended":   {func(u *run, r *Report) { u.cfg.PID, r.Server = 7, nil }, "process 7 ended"},
		"no metrics":     {func(u *run, r *Report) { u.cfg.Metrics, r.Go = "http://h", nil }, "the metrics could not be read"},
		"undecryptable": {func(u *run, _ *Report) {
			v := &viewer{joined: make(chan struct{})}
			close(v.joined)
			u.viewers, u.end.readings = []*viewer{v}, []reading{{packets: packetCounts{passed: 1000, opened: 400}}}
		}, "1 viewers got packets that could not be decrypted"},
	} {
		u, r := &run{end: snapshot{at: now}}, exampleReport()
		r.Load.Failed = 0
		assert.Empty(t, u.warnings(r), name)
		c.change(u, r)
		got := u.warnings(r)
		if assert.Len(t, got, 1, name) {
			assert.Contains(t, got[0], c.want, name)
		}
	}
}

// A server that has worked before may have less memory in use afterwards.
func TestUnknownMemoryIsNoFigure(t *testing.T) {
	t.Parallel()
	require.Equal(t, "524", kilo(524288))
	require.Equal(t, "-", kilo(0))
	r := &run{cfg: Config{PID: 1}}
	r.before.process.rss, r.end.process.rss, r.end.process.threads = 2<<20, 1<<20, 9
	r.before.memory, r.end.memory = goMemory{heap: 2 << 20}, goMemory{heap: 1 << 20}
	out := &Report{}
	r.server(out, 1)
	b, err := json.Marshal(out)
	require.NoError(t, err)
	require.NotContains(t, string(b), "rss_per_viewer_bytes")
	require.NotContains(t, string(b), "heap_and_stack_per_viewer_bytes")
}
