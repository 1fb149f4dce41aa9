package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU time in /proc: the kernel's USER_HZ, which is
// 100 on every architecture that Go runs on.
const clockTick = 10 * time.Millisecond

const maxMetrics = 8 << 20

// process is the state of a server process at one moment.
type process struct {
	cpu     time.Duration // user and system since it began
	rss     uint64        // bytes
	threads int
}

// readProcess reads /proc/PID/stat and status (Linux).
func readProcess(pid int) (process, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return process{}, fmt.Errorf("process %d cannot be read (is it running on this machine?): %w", pid, err)
	}
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return process{}, fmt.Errorf("process %d cannot be read: %w", pid, err)
	}
	p, err := parseProcess(stat, status)
	if err != nil {
		return process{}, fmt.Errorf("process %d: %w", pid, err)
	}
	return p, nil
}

func parseProcess(stat, status []byte) (process, error) {
	// The name in brackets may hold spaces and brackets: count from the last.
	at := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[at+1:]))
	if at < 0 || len(fields) < 13 {
		return process{}, fmt.Errorf("its stat has an unknown form")
	}
	user, err1 := strconv.ParseUint(fields[11], 10, 63)
	system, err2 := strconv.ParseUint(fields[12], 10, 63)
	if err1 != nil || err2 != nil {
		return process{}, fmt.Errorf("its stat has an unknown form")
	}
	p := process{cpu: time.Duration(user+system) * clockTick}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB"))
		switch name {
		case "VmRSS":
			kb, _ := strconv.ParseUint(value, 10, 54)
			p.rss = kb << 10
		case "Threads":
			p.threads, _ = strconv.Atoi(value)
		}
	}
	return p, nil
}

// goMemory is what a Go server's own metrics say, in bytes.
type goMemory struct {
	heap       uint64 // go_memstats_heap_alloc_bytes
	stack      uint64 // go_memstats_stack_inuse_bytes
	goroutines uint64 // go_goroutines
}

// readMetrics fetches a Prometheus page.
func readMetrics(ctx context.Context, client *http.Client, url string) (goMemory, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return goMemory{}, fmt.Errorf("the metrics cannot be read: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return goMemory{}, fmt.Errorf("the metrics cannot be read: %w", hideURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return goMemory{}, fmt.Errorf("the metrics cannot be read: the server answered %s", resp.Status)
	}
	m, ok := parseMetrics(io.LimitReader(resp.Body, maxMetrics))
	if !ok {
		return goMemory{}, fmt.Errorf("the metrics have no go_memstats_heap_alloc_bytes")
	}
	return m, nil
}

func parseMetrics(r io.Reader) (m goMemory, ok bool) {
	wanted := map[string]*uint64{
		"go_memstats_heap_alloc_bytes":  &m.heap,
		"go_memstats_stack_inuse_bytes": &m.stack,
		"go_goroutines":                 &m.goroutines,
	}
	for lines := bufio.NewScanner(r); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		field := wanted[name]
		if field == nil {
			continue
		}
		if f, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err == nil && f >= 0 && f < 1<<62 {
			*field = uint64(f)
		}
	}
	return m, m.heap > 0
}
