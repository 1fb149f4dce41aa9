package turn

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// idleEnv is set in the process in which the clients of BenchmarkIdle are.
const idleEnv = "HELIOGRAPH_IDLE_CLIENTS"

// BenchmarkIdle tells what a thousand allocations take, each with a channel, whose
// clients say nothing: what the heap and the stacks hold of them after a
// collection, and by how much the process has grown, in which there are free
// places between them too. Its clients are a process of their own and come by the
// port as all do, so this is the server's memory, with all that is before TURN.
func BenchmarkIdle(b *testing.B) {
	const clients, first = 1000, 100
	for _, network := range []string{"udp", "tcp", "tls"} {
		b.Run(network, func(b *testing.B) {
			for b.Loop() { // nothing is timed
			}
			h, c := open(b), newCrowd(b)
			for i := range first { // which need what is made but once, too
				c.join(b, h, network, i)
			}
			before := footprintNow(b)
			for i := range clients {
				c.join(b, h, network, first+i)
			}
			require.Equal(b, first+clients, h.allocations.len())
			now := footprintNow(b)
			b.ReportMetric(float64(now.held-before.held)/1e6, "MB-held")
			b.ReportMetric(float64(now.resident-before.resident)/1e6, "MB-resident")
			b.ReportMetric(float64(now.goroutines-before.goroutines)/clients, "goroutines/allocation")
		})
	}
}

// footprint is what this process has.
type footprint struct{ held, resident, goroutines int }

// footprintNow collects what is no longer used, and returns what is left.
func footprintNow(b *testing.B) footprint {
	b.Helper()
	time.Sleep(restTime + time.Second) // until all sleep
	for range 5 {                      // a stack shrinks by half each time
		runtime.GC()
	}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	now := footprint{held: int(m.HeapAlloc + m.StackInuse), goroutines: runtime.NumGoroutine()}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil { // Linux
		pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
		require.NoError(b, err)
		now.resident = pages * os.Getpagesize()
	}
	return now
}

// crowd is the process of the clients.
type crowd struct {
	orders  io.Writer
	answers *bufio.Scanner
}

// newCrowd starts the clients' process, which ends with the benchmark.
func newCrowd(b *testing.B) *crowd {
	b.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestIdleClients$", "-test.timeout=60s")
	child.Env = append(os.Environ(), idleEnv+"=1")
	child.Stderr = os.Stderr
	orders, err := child.StdinPipe()
	require.NoError(b, err)
	answers, err := child.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, child.Start())
	b.Cleanup(func() { _ = orders.Close(); _ = child.Wait() })
	return &crowd{orders, bufio.NewScanner(answers)}
}

// join has one more client make its allocation and fall silent. Eight have one
// address of the loopback, as from one there may be so many only; where the
// loopback has but one it skips.
func (c *crowd) join(b *testing.B, h *house, network string, number int) {
	b.Helper()
	user, password, _ := h.Credentials("guest")
	_, err := fmt.Fprintln(c.orders, network, h.addr, net.IPv4(127, 2, byte(number>>11), byte(number>>3)), user, password)
	require.NoError(b, err)
	require.True(b, c.answers.Scan(), "the clients have ended")
	if c.answers.Text() != "joined" {
		b.Skip("no client from another address: ", c.answers.Text())
	}
}

// TestIdleClients is no test but the clients of BenchmarkIdle.
func TestIdleClients(t *testing.T) {
	if os.Getenv(idleEnv) == "" {
		t.Skip("only a child of BenchmarkIdle")
	}
	for orders := bufio.NewScanner(os.Stdin); orders.Scan(); {
		words := strings.Fields(orders.Text())
		c, err := dialFrom(net.ParseIP(words[2]), words[0], words[1])
		if err != nil {
			fmt.Println(err)
			continue
		}
		t.Cleanup(func() { _ = c.Close() })
		r := &raw{t: t, conn: c, user: words[3], password: words[4]}
		r.allocate()
		require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(clientOf(c.RemoteAddr()).addr))))
		fmt.Println("joined")
	}
}

// dialFrom connects from an address; network is udp, tcp or tls.
func dialFrom(ip net.IP, network, server string) (net.Conn, error) {
	if network == "udp" {
		return (&net.Dialer{LocalAddr: &net.UDPAddr{IP: ip}}).Dial("udp", server)
	}
	c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}).Dial("tcp", server)
	if err != nil || network == "tcp" {
		return c, err
	}
	return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil // whose certificate it is, is tested elsewhere
}
