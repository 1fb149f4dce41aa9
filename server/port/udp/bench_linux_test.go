package udp

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkReceive reads n datagrams that wait in a socket, in batches as the
// port does and one by one as package net does, up to finding it empty, which
// is when the reader may sleep. Filling the socket is not measured.
func BenchmarkReceive(b *testing.B) {
	to := open(b, "udp4", "127.0.0.1", 1)[0]
	from := open(b, "udp4", "127.0.0.1", 1)[0]
	r := NewReader(to, silence{})
	for _, n := range []int{1, 2, 8, 32} {
		for name, empty := range map[string]func() int{"batch": r.emptier(), "single": r.singly(n)} {
			b.Run(name+"-"+strconv.Itoa(n), func(b *testing.B) { receive(b, n, empty, fill(from, n, to.conn.LocalAddr().(*net.UDPAddr).AddrPort())) })
		}
	}
}

// fill returns a function that puts n datagrams in a socket.
func fill(s *Socket, n int, to netip.AddrPort) func() {
	d := make([]byte, 1200*n)
	return func() { _ = s.SendSegments(netip.Addr{}, d, 1200, to) }
}

func receive(b *testing.B, n int, empty func() int, fill func()) {
	b.ReportAllocs()
	var took time.Duration
	total := 0
	for b.Loop() {
		fill()
		start := time.Now()
		got := empty()
		took += time.Since(start)
		if total += got; got != n {
			b.Fatalf("%d of %d", got, n)
		}
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(total), "ns/datagram")
}

// singly is emptier with a call for each datagram that waits and one more.
func (r *Reader) singly(waiting int) func() int {
	var one [MaxDatagram]byte
	n := 0
	peek := func(fd uintptr) {
		if _, err := unix.Read(int(fd), one[:]); err != unix.EAGAIN {
			n = -1
		}
	}
	return func() int {
		for n = 0; n < waiting; n++ {
			size, from, err := r.socket.conn.ReadFromUDPAddrPort(one[:])
			if err != nil {
				return n
			}
			r.handler.Datagram(one[:size], from, netip.Addr{})
		}
		_ = r.socket.raw.Control(peek)
		return n
	}
}

// The receiver reads nothing: what is measured is the sender's share. Eight
// datagrams go with one call where the kernel cuts, else with eight.
func BenchmarkSend(b *testing.B) {
	s := open(b, "udp4", "127.0.0.1", 1)[0]
	to := local(dial(b, s))
	d := make([]byte, 8*1200)
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = s.Send(netip.Addr{}, d[:1200], to)
		}
	})
	b.Run("eight-sends", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := range 8 {
				_ = s.Send(netip.Addr{}, d[i*1200:(i+1)*1200], to)
			}
		}
	})
	b.Run("segments-of-eight", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = s.SendSegments(netip.Addr{}, d, 1200, to)
		}
	})
}
