package egress

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"
)

// childEnv is set in the process in which BenchmarkHandshake's clients are.
const childEnv = "HELIOGRAPH_BENCH_CLIENTS"

// TestBenchClients is no test but the clients of BenchmarkHandshake. It says
// its fingerprint, then shakes hands as often as it is told to.
func TestBenchClients(t *testing.T) {
	if os.Getenv(childEnv) == "" {
		t.Skip("only a child of BenchmarkHandshake")
	}
	pair := newPair(t)
	sum := sha256.Sum256(pair.Certificate[0])
	fmt.Println(colons(sum[:]))
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		word := strings.Fields(lines.Text())
		server, err := net.ResolveUDPAddr("udp4", word[0])
		require.NoError(t, err)
		p := &peer{t: t, pair: pair, wire: newWire(t, server), ufrag: word[1], password: word[2]}
		p.flush()
		require.NoError(t, p.shake(context.Background(), dtls.WithFlightInterval(time.Second)))
		p.away()
		fmt.Println("done")
	}
}

// BenchmarkHandshake joins viewers one after the other and measures what the
// server's process alone has to work for each, from the check to the keys, and
// the memory that a viewer takes from then on.
func BenchmarkHandshake(b *testing.B) {
	s := newStage(b)
	child := exec.Command(os.Args[0], "-test.run=^TestBenchClients$", "-test.timeout=60s")
	child.Env = append(os.Environ(), childEnv+"=1")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	require.NoError(b, err)
	out, err := child.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, child.Start())
	defer func() { _ = in.Close(); _ = child.Wait() }()
	lines := bufio.NewScanner(out)
	require.True(b, lines.Scan())
	text := fingerprintLine.ReplaceAllString(chromiumOffer, "sha-256 "+lines.Text())
	join := func() {
		sub, err := s.hub.Watch(context.Background(), watchGrant)
		require.NoError(b, err)
		v, answer, err := s.engine.Watch(sub, offered(b, text))
		require.NoError(b, err)
		ufrag, password := credentialsIn(answer)
		_, err = fmt.Fprintln(in, s.engine.port.Announced()[0], ufrag, password)
		require.NoError(b, err)
		require.True(b, lines.Scan())
		p := &peer{t: b, viewer: v}
		p.settled()
	}
	for range 20 {
		join()
	}
	_, heap := footprint()
	before, n := processTime(b), 0
	for b.Loop() {
		join()
		n++
	}
	worked := processTime(b) - before
	_, after := footprint()
	b.ReportMetric(float64(worked.Nanoseconds())/float64(n), "cpu-ns/op")
	b.ReportMetric((float64(after)-float64(heap))/float64(n), "heap-B/viewer")
}

// processTime is how long this process has been on a processor.
func processTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
