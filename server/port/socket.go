package port

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
)

// socketBuffer is what is asked of the kernel for each direction: a keyframe
// for some hundred viewers.
const socketBuffer = 4 << 20

// maxSegments and maxBatch bound what one system call may carry: the kernel
// takes 64 segments of together less than one IP packet's 65,507 bytes.
const (
	maxSegments = 64
	maxBatch    = 65000
)

// segmentation is whether the kernel cuts what is sent in segments. It is
// found out once for all sockets of the port, which leave by the same cards.
type segmentation struct {
	// set at construction
	log   *slog.Logger
	count *counters
	// atomic
	on      atomic.Bool
	refused atomic.Int32 // refusals of the kernel to cut, in a row
}

// newSegmentation finds out what the kernel can do.
func newSegmentation(log *slog.Logger, count *counters) *segmentation {
	g := &segmentation{log: log, count: count}
	g.on.Store(probeGSO())
	return g
}

// socket is one UDP socket of the port and the ways to send on it.
type socket struct {
	// set at construction
	conn     *net.UDPConn
	raw      syscall.RawConn
	ipv6     bool // an AF_INET6 socket: IPv4 addresses go in mapped
	segments *segmentation
	count    *counters
}

// newSocket prepares an open socket.
func newSocket(conn *net.UDPConn, segments *segmentation, count *counters) (*socket, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("udp socket: %w", err)
	}
	s := &socket{conn: conn, raw: raw, segments: segments, count: count}
	s.ipv6 = !conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Is4()
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	return s, nil
}

func (s *socket) close() { _ = s.conn.Close() }

// sendSegments sends b in datagrams of segment bytes.
func (s *socket) sendSegments(b []byte, segment int, to netip.AddrPort) error {
	batch := max(segment, min(maxSegments*segment, maxBatch/segment*segment))
	for len(b) > 0 {
		n := min(batch, len(b))
		var err error
		if n > segment && s.segments.on.Load() {
			err = s.sendBatch(b[:n], segment, to)
		} else {
			err = s.sendEach(b[:n], segment, to)
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// sendEach is for kernels that do not cut.
func (s *socket) sendEach(b []byte, segment int, to netip.AddrPort) error {
	for len(b) > 0 {
		n := min(segment, len(b))
		if err := s.send(b[:n], to); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
