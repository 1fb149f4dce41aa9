package client

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// controlSize holds a packet's time stamp and count of drops.
const controlSize = 64

// stampArrivals makes the kernel hand out, with every packet, the time at
// which it came and the number of packets dropped so far.
func stampArrivals(conn syscall.Conn) error {
	return control(conn, func(fd int) error {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); err != nil {
			return err
		}
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
	})
}

func control(conn syscall.Conn, do func(fd int) error) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err = raw.Control(func(fd uintptr) { failed = do(int(fd)) }); err != nil {
		return err
	}
	return failed
}

// readControl reads the arrival in ns of Unix time and the count of drops
// from a packet's control messages; 0 where there is none.
func readControl(oob []byte) (arrived int64, drops uint32) {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return arrived, drops
		}
		oob = rest
		if h.Level != unix.SOL_SOCKET {
			continue
		}
		switch {
		case h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 2*strconv.IntSize/8:
			arrived = readTimespec(data)
		case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			drops = binary.NativeEndian.Uint32(data)
		}
	}
	return arrived, drops
}

// readTimespec reads the kernel's old timespec: two longs.
func readTimespec(b []byte) int64 {
	if strconv.IntSize == 32 {
		return int64(binary.NativeEndian.Uint32(b))*1e9 + int64(binary.NativeEndian.Uint32(b[4:]))
	}
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
}

// detach takes the socket away from the Go runtime, which would otherwise be
// woken by every packet, at its sender's expense if that is on this machine.
func (s *socket) detach() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return false
	}
	own, err := duplicate(s.conn)
	if err != nil {
		return false
	}
	_ = s.conn.Close()
	s.conn, s.fd = nil, own
	return true
}

// duplicate returns another descriptor of a connection, which the Go runtime
// does not know.
func duplicate(conn syscall.Conn) (own int, err error) {
	err = control(conn, func(fd int) (err error) {
		own, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	return own, err
}

// receiveStamped reads what a TCP connection has, and when the end of it came.
// With nothing there it returns emptyError.
func receiveStamped(fd int, b, oob []byte) (n int, arrived int64, err error) {
	n, oobn, _, _, err := unix.Recvmsg(fd, b, oob, unix.MSG_DONTWAIT)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, 0, emptyError{}
	case err != nil:
		return 0, 0, err
	case n == 0:
		return 0, 0, io.EOF
	}
	arrived, _ = readControl(oob[:oobn])
	return n, arrived, nil
}

// writePatience is how long a connection may take no more.
const writePatience = time.Second

// writeAll writes to a TCP connection of our own. It is seldom full: a viewer
// says little.
func writeAll(fd int, b []byte) (int, error) {
	done := 0
	for done < len(b) {
		n, err := unix.Write(fd, b[done:])
		switch {
		case err == nil:
			done += n
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(writePatience.Milliseconds()))
			if err == nil && ready == 0 {
				return done, os.ErrDeadlineExceeded
			}
		default:
			return done, err
		}
	}
	return done, nil
}

// filterAll throws away what comes, and what is there already.
func (s *socket) filterAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return net.ErrClosed
	}
	nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	err := unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(nothing)), Filter: &nothing[0]})
	if err != nil {
		return err
	}
	var b [1]byte
	for {
		if _, _, err := unix.Recvfrom(s.fd, b[:], unix.MSG_DONTWAIT); err != nil {
			return nil //nolint:nilerr // empty
		}
	}
}

func sendTo(fd int, b []byte, to netip.AddrPort) {
	if to.Addr().Is4() {
		_ = unix.Sendto(fd, b, unix.MSG_DONTWAIT, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		return
	}
	_ = unix.Sendto(fd, b, unix.MSG_DONTWAIT, &unix.SockaddrInet6{Port: int(to.Port()), Addr: to.Addr().As16()})
}

func closeFile(fd int) { _ = syscall.Close(fd) }
