package handshake

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

	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
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
		p := &peer{t: t, pair: pair, wire: newWire(t, server), server: lite.Credentials{Ufrag: word[1], Password: word[2]}}
		p.flush()
		require.NoError(t, p.shake(context.Background(), dtls.WithFlightInterval(time.Second)))
		p.away()
		fmt.Println("done")
	}
}

// BenchmarkHandshake secures sessions one after the other and measures what the
// server's process alone has to work for each, from the ICE check to the keys,
// and the memory that each takes from then on, with its ICE and its SRTP.
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
	print := offer.Fingerprint{Hash: "sha-256", Value: lines.Text()}
	join := func() {
		v, c := s.session(b, print)
		_, err = fmt.Fprintln(in, s.port.Announced()[0], c.Ufrag, c.Password)
		require.NoError(b, err)
		require.True(b, lines.Scan())
		p := &peer{t: b, session: v}
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
	b.ReportMetric((float64(after)-float64(heap))/float64(n), "B/session")
}

// processTime is how long this process has been on a processor.
func processTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
