package udp

import (
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// control is a control message that says how long the segments are.
type control struct {
	header  unix.Cmsghdr
	segment uint16
	_       [6]byte
}

// message is a system call in preparation. It is kept and used again, with
// the closure that RawConn wants, so that sending allocates nothing.
type message struct {
	header   unix.Msghdr
	vec      unix.Iovec
	addr4    unix.RawSockaddrInet4
	addr6    unix.RawSockaddrInet6
	control  control
	controls controls // in place of control where the address is not left to the kernel
	errno    syscall.Errno
	call     func(fd uintptr)
}

// messages keeps messages that are not in use.
var messages = sync.Pool{New: func() any {
	m := new(message)
	m.header.Iov, m.header.Iovlen = &m.vec, 1
	m.control.header.Level, m.control.header.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	m.control.header.SetLen(unix.CmsgLen(2))
	m.call = m.send
	return m
}}

// send makes the call. The socket does not block, so the runtime need not be
// told about it, which saves a good part of its cost.
func (m *message) send(fd uintptr) {
	for {
		_, _, m.errno = syscall.RawSyscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&m.header)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if m.errno != unix.EINTR {
			return
		}
	}
}

// address puts the destination into the message, in the family of the socket.
func (m *message) address(to netip.AddrPort, ipv6 bool) {
	if ipv6 {
		m.addr6.Family, m.addr6.Addr = unix.AF_INET6, to.Addr().As16()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&m.addr6.Port))[:], to.Port())
		m.header.Name, m.header.Namelen = (*byte)(unsafe.Pointer(&m.addr6)), unix.SizeofSockaddrInet6
		return
	}
	m.addr4.Family, m.addr4.Addr = unix.AF_INET, to.Addr().As4()
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&m.addr4.Port))[:], to.Port())
	m.header.Name, m.header.Namelen = (*byte)(unsafe.Pointer(&m.addr4)), unix.SizeofSockaddrInet4
}

// sendmsg sends b, cut in segments when segment is not 0.
func (s *Socket) sendmsg(b []byte, segment int, w way) (syscall.Errno, error) {
	m := messages.Get().(*message)
	m.address(w.to, s.ipv6)
	m.vec.Base = unsafe.SliceData(b)
	m.vec.SetLen(len(b))
	m.header.Control, m.header.Controllen = nil, 0
	switch {
	case w.from.IsValid():
		m.leave(w.from, segment, s.ipv6)
	case segment > 0:
		m.control.segment = uint16(segment)
		m.header.Control = (*byte)(unsafe.Pointer(&m.control))
		m.header.SetControllen(unix.CmsgSpace(2))
	}
	err := s.raw.Control(m.call)
	errno := m.errno
	m.vec.Base = nil
	messages.Put(m)
	return errno, err
}

// send sends one datagram.
func (s *Socket) send(b []byte, w way) error {
	if !s.reaches(w) {
		return unix.EAFNOSUPPORT
	}
	if w.to.Addr().Zone() != "" { // link-local: rare, and net knows the interface's number
		_, err := s.conn.WriteToUDPAddrPort(b, w.to)
		return err
	}
	errno, err := s.sendmsg(b, 0, w)
	if err != nil {
		return err
	}
	return s.outcome(errno)
}

// sendBurst sends up to 64 segments with one call, or one by one when the
// kernel refuses.
func (s *Socket) sendBurst(b []byte, segment int, w way) error {
	if !s.reaches(w) {
		return unix.EAFNOSUPPORT
	}
	if w.to.Addr().Zone() != "" {
		return s.sendEach(b, segment, w)
	}
	errno, err := s.sendmsg(b, segment, w)
	if err != nil {
		return err
	}
	switch errno {
	case 0:
		s.cut.accept()
		return nil
	case unix.EIO, unix.EINVAL, unix.EMSGSIZE, unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		err = s.sendEach(b, segment, w)
		if err == nil || !w.from.IsValid() { // else it may be the address, which has gone from this machine
			s.cut.refuse(errno)
		}
		return err
	}
	return s.outcome(errno)
}

// outcome turns the kernel's answer into an error of this package.
func (s *Socket) outcome(errno syscall.Errno) error {
	switch errno {
	case 0:
		return nil
	case unix.EAGAIN, unix.ENOBUFS:
		s.count.Full.Inc()
		return ErrCongested
	}
	return errno
}

// reaches says whether the socket's family can go this way.
func (s *Socket) reaches(w way) bool {
	return w.to.IsValid() && (s.ipv6 || w.to.Addr().Is4() && !w.from.Is6())
}

// probeGSO sends two segments over the loopback and sees two datagrams arrive.
func probeGSO() bool {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	s := &Socket{conn: conn, raw: raw}
	errno, err := s.sendmsg([]byte("heliograph"), 6, way{to: conn.LocalAddr().(*net.UDPAddr).AddrPort()})
	if err != nil || errno != 0 || conn.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		return false
	}
	b := make([]byte, 16)
	for _, want := range []int{6, 4} {
		n, err := conn.Read(b)
		if err != nil || n != want {
			return false
		}
	}
	return true
}

// checkBuffers says so when the kernel gives less room than asked for.
func (s *Socket) checkBuffers(log *slog.Logger) {
	got := 0
	_ = s.raw.Control(func(fd uintptr) {
		got, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
	})
	if got > 0 && got < socketBuffer { // the kernel reports double of what it grants
		log.Warn("small UDP buffers: bursts may lose packets; raise net.core.wmem_max and net.core.rmem_max to 4194304",
			"bytes", got/2)
	}
}
