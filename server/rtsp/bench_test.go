package rtsp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// camerasEnv makes the test's program the cameras of BenchmarkPull, so that what
// they cost is not counted.
const camerasEnv = "HELIOGRAPH_TEST_CAMERAS"

// camerasMain runs the cameras when this process is to be them.
func camerasMain() bool {
	if os.Getenv(camerasEnv) == "" {
		return false
	}
	d := newDevice("127.0.0.1:0")
	if err := d.start(); err != nil {
		fmt.Println(err)
		return true
	}
	fmt.Println(d.url)
	_, _ = io.Copy(io.Discard, os.Stdin)
	d.stop()
	return true
}

// BenchmarkPull pulls cameras of 1 Mbit/s that nobody watches, as many as
// HELIOGRAPH_BENCH_CAMERAS says, for 10 s, by TCP or what
// HELIOGRAPH_BENCH_TRANSPORT says. Run it with -benchtime 1x on a machine that
// does nothing else.
func BenchmarkPull(b *testing.B) {
	cameras, _ := strconv.Atoi(os.Getenv("HELIOGRAPH_BENCH_CAMERAS"))
	if cameras == 0 {
		cameras = 20
	}
	transport := os.Getenv("HELIOGRAPH_BENCH_TRANSPORT")
	if transport == "" {
		transport = "tcp"
	}
	at := startCameras(b)
	h := hub.New(hub.Config{})
	p := &Puller{Hub: h, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(b.Context())
	var pulls sync.WaitGroup
	defer pulls.Wait()
	defer cancel()
	before := memoryInUse()
	for i := range cameras {
		pulls.Go(func() {
			_ = p.Pull(ctx, auth.System(auth.Publish, "camera"+strconv.Itoa(i)), Source{URL: at, Transport: transport})
		})
	}
	require.Eventually(b, func() bool { return len(h.List()) == cameras }, time.Minute, 10*time.Millisecond)
	settle := 20 * time.Second // until the rings are full
	if os.Getenv("HELIOGRAPH_BENCH_CAMERAS") == "" {
		settle = time.Second
	}
	time.Sleep(settle)
	b.ResetTimer()
	for b.Loop() {
		start, spent, count := time.Now(), cpuTime(), packetsOf(b, h)
		var first, last runtime.MemStats
		runtime.ReadMemStats(&first)
		time.Sleep(settle / 2)
		runtime.ReadMemStats(&last)
		passed, used := time.Since(start), cpuTime()-spent
		b.ReportMetric(float64(packetsOf(b, h)-count)/passed.Seconds()/float64(cameras), "packets/s/camera")
		b.ReportMetric(100*used.Seconds()/passed.Seconds(), "%core")
		b.ReportMetric(100*used.Seconds()/passed.Seconds()/float64(cameras), "%core/camera")
		b.ReportMetric(float64(last.Mallocs-first.Mallocs)/passed.Seconds()/float64(cameras), "allocs/s/camera")
		b.ReportMetric(float64(memoryInUse()-before)/float64(cameras), "B/camera")
	}
	require.Len(b, h.List(), cameras, "all still play")
}

// startCameras starts the cameras as a process of their own.
func startCameras(b *testing.B) *url.URL {
	b.Helper()
	exe, err := os.Executable()
	require.NoError(b, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), camerasEnv+"=1")
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	at, err := url.Parse(line[:len(line)-1])
	require.NoError(b, err)
	return at
}

// packetsOf counts the packets of all streams, to see that the cameras keep up.
func packetsOf(b *testing.B, h *hub.Hub) (n uint64) {
	for _, i := range h.List() {
		sub, err := h.Watch(b.Context(), auth.System(auth.Watch, i.Name))
		require.NoError(b, err)
		n += sub.Stream().Track(media.Video).Ring().Head()
		sub.Close(hub.ErrEnded)
	}
	return n
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memoryInUse is what the heap and the stacks hold after a collection.
func memoryInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
