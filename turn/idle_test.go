package turn

import (
	"crypto/tls"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// BenchmarkIdle counts the memory of a thousand allocations, each with a channel,
// whose clients say nothing: heap and stacks of server and clients together, as
// both are in this process.
func BenchmarkIdle(b *testing.B) {
	const clients = 1000
	for _, network := range []string{"udp", "tcp", "tls"} {
		b.Run(network, func(b *testing.B) {
			for b.Loop() { // nothing is timed
			}
			h := open(b)
			before, goroutines := inUse(), runtime.NumGoroutine()
			all := make([]*raw, clients)
			for i := range all {
				all[i] = h.guestFrom(b, network, net.IPv4(127, 2, byte(i>>11), byte(i>>3)))
				all[i].allocate()
				require.Zero(b, code(b, all[i].signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
			}
			require.Equal(b, clients, h.allocations.len())
			b.ReportMetric(float64(inUse()-before)/1e6, "MB")
			b.ReportMetric(float64(runtime.NumGoroutine()-goroutines)/clients, "goroutines/allocation")
			runtime.KeepAlive(all)
		})
	}
}

// inUse is what heap and stacks hold.
func inUse() int64 {
	runtime.GC()
	runtime.GC() // stacks shrink, and pools are empty after the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// guestFrom is guest from an address of the loopback, as one may have so many
// allocations only. On systems where it has but one address it skips.
func (h *house) guestFrom(b *testing.B, network string, ip net.IP) *raw {
	b.Helper()
	var d net.Dialer
	d.LocalAddr = &net.TCPAddr{IP: ip}
	over := "tcp"
	if network == "udp" {
		d.LocalAddr, over = &net.UDPAddr{IP: ip}, "udp"
	}
	c, err := d.Dial(over, h.addr.String())
	if err != nil {
		b.Skip("the loopback has one address here: ", err)
	}
	if network == "tls" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // whose certificate it is, is tested elsewhere
	}
	b.Cleanup(func() { _ = c.Close() })
	require.NoError(b, c.SetDeadline(time.Now().Add(time.Minute)))
	user, password, _ := h.Credentials("guest")
	return &raw{t: b, conn: c, user: user, password: password}
}
