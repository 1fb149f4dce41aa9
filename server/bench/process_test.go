package bench

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseProcess(t *testing.T) {
	t.Parallel()
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 9 0 100 1 1 1"
	status := "Name:\ta (b) c\nVmRSS:\t   2048 kB\nThreads:\t9\n"
	got, err := parseProcess([]byte(stat), []byte(status))
	require.NoError(t, err)
	assert.Equal(t, process{cpu: 2 * time.Second, rss: 2 << 20, threads: 9}, got)
	for _, bad := range []string{"", "42", "42 (x) S 1", "42 (x) S 1 2 3 4 5 6 7 8 9 10 x y 1"} {
		_, err := parseProcess([]byte(bad), nil)
		assert.Error(t, err, bad)
	}
}

func TestReadProcess(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc here")
	}
	p, err := readProcess(os.Getpid())
	require.NoError(t, err)
	assert.Positive(t, p.rss)
	assert.Positive(t, p.threads)
}

func TestParseMetrics(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		page string
		want goMemory
		ok   bool
	}{
		"all": {"# HELP x\ngo_goroutines 12\ngo_memstats_heap_alloc_bytes 1.5e+06\ngo_memstats_stack_inuse_bytes 65536\nother 3\n",
			goMemory{heap: 1_500_000, stack: 65536, goroutines: 12}, true},
		"no heap":  {"go_goroutines 12\n", goMemory{goroutines: 12}, false},
		"nonsense": {"go_memstats_heap_alloc_bytes NaN\ngo_memstats_heap_alloc_bytes -1\n", goMemory{}, false},
		"empty":    {"", goMemory{}, false},
	} {
		got, ok := parseMetrics(strings.NewReader(c.page))
		assert.Equal(t, c.want, got, name)
		assert.Equal(t, c.ok, ok, name)
	}
}
