package port

import (
	"net"
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkClassify(b *testing.B) {
	rtp := make([]byte, 1200)
	rtp[0] = 0x80
	channel := make([]byte, 1200)
	channel[0] = 0x40
	packets := map[string][]byte{"rtp": rtp, "channel": channel, "plain": stunMessage(bindingRequest)}
	for name, p := range checks(b) {
		packets["check-"+name] = p
	}
	for name, p := range packets {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ClassifyUDP(p)
			}
		})
	}
}

// full returns a port with n sessions of one address each.
func full(b *testing.B, n int) (*Port, []netip.AddrPort) {
	p := open(b, "127.0.0.1:0")
	from := make([]netip.AddrPort, n)
	for i := range n {
		from[i] = at(i)
		require.NoError(b, p.Register("session"+strconv.Itoa(i), silence{}))
		p.Learn(from[i], "session"+strconv.Itoa(i))
	}
	return p, from
}

func BenchmarkDispatch(b *testing.B) {
	rtp := make([]byte, 1200)
	rtp[0] = 0x80
	for _, n := range []int{1, 1000} {
		p, from := full(b, n)
		r := newReader(p, p.senders[0].socket)
		for name, d := range map[string][]byte{"rtp": rtp, "check": checkFor(b, "session0:theirs")} {
			b.Run(name+"-"+strconv.Itoa(n), func(b *testing.B) {
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					r.Datagram(d, from[i%n], netip.Addr{})
					i++
				}
			})
		}
	}
}

func BenchmarkRelay(b *testing.B) {
	p := open(b, "127.0.0.1:0")
	c, virtual := allocate(b, p)
	require.NoError(b, p.Register("ours", silence{}))
	p.Learn(virtual, "ours")
	d := make([]byte, 1200)
	d[0] = 0x80
	b.Run("in", func(b *testing.B) {
		to := net.UDPAddrFromAddrPort(p.Addr())
		b.ReportAllocs()
		for b.Loop() {
			_, _ = c.WriteTo(d, to)
		}
	})
	b.Run("out", func(b *testing.B) {
		out := make([]byte, 1500)
		b.ReportAllocs()
		for b.Loop() {
			_ = p.Send(d, virtual)
			_, _, _ = c.ReadFrom(out)
		}
	})
}

// All processors at once, each with a reader of its own.
func BenchmarkDispatchParallel(b *testing.B) {
	rtp := make([]byte, 1200)
	rtp[0] = 0x80
	p, from := full(b, 1000)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := newReader(p, p.senders[0].socket)
		for i := 0; pb.Next(); i++ {
			r.Datagram(rtp, from[i%len(from)], netip.Addr{})
		}
	})
}
