package port

import (
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// BenchmarkReceive reads n datagrams that wait in a socket, in batches as the
// port does and one by one as package net does, up to finding it empty, which
// is when the reader may sleep. Filling the socket is not measured.
func BenchmarkReceive(b *testing.B) {
	p, err := Listen(Config{Listen: "127.0.0.1:0"})
	require.NoError(b, err)
	defer p.Close()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(b, err)
	defer func() { _ = conn.Close() }()
	s, err := newSocket(conn, p.senders[0].socket.segments, p.count)
	require.NoError(b, err)
	to := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	from := p.Addr()
	require.NoError(b, p.Register("ours", silence{}))
	p.Learn(from, "ours")
	r := newReader(p, s)
	for _, n := range []int{1, 2, 8, 32} {
		for name, empty := range map[string]func() int{"batch": r.emptier(), "single": r.singly(n)} {
			b.Run(name+"-"+strconv.Itoa(n), func(b *testing.B) { receive(b, n, empty, fill(p, n, to)) })
		}
	}
}

// fill returns a function that puts n datagrams of media in a socket.
func fill(p *Port, n int, to netip.AddrPort) func() {
	rtp := make([]byte, 1200*n)
	for i := range n {
		rtp[1200*i] = 0x80
	}
	return func() { _ = p.SendSegments(rtp, 1200, to) }
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
func (r *reader) singly(waiting int) func() int {
	var one [maxDatagram]byte
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
			r.dispatch(one[:size], unmap(from))
		}
		_ = r.socket.raw.Control(peek)
		return n
	}
}
