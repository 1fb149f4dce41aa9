package udp

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"github.com/heliograph/heliograph/server/metric"
)

// socketBuffer is what is asked of the kernel for each direction: a keyframe
// for some hundred viewers.
const socketBuffer = 4 << 20

// maxSegments and maxBurst bound what one system call may carry: the kernel
// takes 64 segments of together less than one IP packet's 65,507 bytes.
const (
	maxSegments = 64
	maxBurst    = 65000
)

// Refusals of the kernel to cut. Each may be due to the path of a single client:
// a card or a tunnel that leaves checksums to others, a segment that does not
// fit. So it takes a row of them to switch cutting off, and it is tried again
// now and then, or one client would slow down all that come after it.
const (
	refusedOff = 100  // refusals in a row
	tryEvery   = 1024 // bursts that are sent one by one
)

// cutting is whether the kernel cuts what is sent in segments, for all sockets
// of an address together.
type cutting struct {
	// set at construction
	log   *slog.Logger
	ended *metric.Counter
	able  bool // the kernel can
	// atomic
	on      atomic.Bool
	refused atomic.Int32  // refusals in a row
	spared  atomic.Uint32 // bursts that were not tried
}

// newCutting finds out what the kernel can do.
func newCutting(log *slog.Logger, ended *metric.Counter) *cutting {
	c := &cutting{log: log, ended: ended, able: probeGSO()}
	c.on.Store(c.able)
	return c
}

// try tells whether to have the kernel cut a burst.
func (c *cutting) try() bool {
	return c.on.Load() || c.able && c.spared.Add(1)%tryEvery == 0
}

// refuse counts a refusal.
func (c *cutting) refuse(cause error) {
	if c.refused.Add(1) >= refusedOff && c.on.Swap(false) {
		c.ended.Inc()
		c.log.Warn("the kernel refuses to cut segments: sending datagrams one by one, which costs more CPU", "err", cause)
	}
}

// accept notes that the kernel has cut.
func (c *cutting) accept() {
	if c.refused.Load() != 0 {
		c.refused.Store(0)
	}
	if !c.on.Load() && !c.on.Swap(true) {
		c.log.Info("the kernel cuts segments again")
	}
}

// Socket is one UDP socket. Its methods may be called from anywhere.
type Socket struct {
	// set at construction
	conn  *net.UDPConn
	raw   syscall.RawConn
	ipv6  bool // an AF_INET6 socket: IPv4 addresses go in mapped
	tells bool // which address of ours a datagram was sent to
	cut   *cutting
	count Counters
}

// way is where a datagram goes and, when that is valid, the address of ours that
// it leaves from.
type way struct {
	to   netip.AddrPort
	from netip.Addr
}

// newSocket prepares a bound socket.
func newSocket(conn *net.UDPConn, cut *cutting, count Counters) (*Socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("udp socket: %w", err)
	}
	s := &Socket{conn: conn, raw: raw, cut: cut, count: count}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	s.ipv6 = !local.Is4()
	s.tells = local.IsUnspecified() && s.tellAsked()
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return s, nil
}

// Close closes the socket. A Reader of it ends with net.ErrClosed, which Close
// waits for: a Handler must not call it.
func (s *Socket) Close() { _ = s.conn.Close() }

// Cuts says whether the kernel cuts segments now for this socket and the others
// of its address.
func (s *Socket) Cuts() bool { return s.cut.on.Load() }

// Send sends one datagram from an address of ours, for a socket bound to all of
// them. One that is not valid leaves the choice to the kernel. It never blocks:
// see ErrCongested.
func (s *Socket) Send(from netip.Addr, b []byte, to netip.AddrPort) error {
	return s.send(b, way{to, from})
}

// SendSegments cuts b in datagrams of segment bytes, of which the last may be
// shorter, and sends them as Send does, with one system call for up to 64 of
// them where the kernel can. It never blocks: see ErrCongested.
func (s *Socket) SendSegments(from netip.Addr, b []byte, segment int, to netip.AddrPort) error {
	if segment <= 0 {
		return fmt.Errorf("segment of %d bytes", segment)
	}
	w := way{to, from}
	burst := max(segment, min(maxSegments*segment, maxBurst/segment*segment))
	for len(b) > 0 {
		n := min(burst, len(b))
		var err error
		if n > segment && s.cut.try() {
			err = s.sendBurst(b[:n], segment, w)
		} else {
			err = s.sendEach(b[:n], segment, w)
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sendEach is for kernels that do not cut.
func (s *Socket) sendEach(b []byte, segment int, w way) error {
	for len(b) > 0 {
		n := min(segment, len(b))
		if err := s.send(b[:n], w); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
