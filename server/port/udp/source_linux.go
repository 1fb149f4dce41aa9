package udp

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// asking is room for one control message that says which address of ours a
// datagram was sent to. It begins where the kernel wants a message to begin.
type asking struct {
	_    [0]uint64
	data [64]byte
}

// tellAsked has the kernel say of each datagram which address of ours it was
// sent to. On a socket of both families it says so of IPv4 as well, mapped.
func (s *Socket) tellAsked() (told bool) {
	level, option := unix.SOL_IP, unix.IP_PKTINFO
	if s.ipv6 {
		level, option = unix.SOL_IPV6, unix.IPV6_RECVPKTINFO
	}
	_ = s.raw.Control(func(fd uintptr) {
		told = unix.SetsockoptInt(int(fd), level, option, 1) == nil
	})
	return told
}

// asked reads the address of ours that a datagram was sent to. It is not valid
// when the kernel did not say, and for a datagram to many, which cannot be
// answered from there.
func (a *asking) asked(h *unix.Msghdr) (at netip.Addr) {
	if int(h.Controllen) < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
		return netip.Addr{}
	}
	c, info := (*unix.Cmsghdr)(unsafe.Pointer(&a.data)), unsafe.Pointer(&a.data[unix.CmsgLen(0)])
	switch {
	case c.Level == unix.SOL_IP && c.Type == unix.IP_PKTINFO:
		at = netip.AddrFrom4((*unix.Inet4Pktinfo)(info).Spec_dst)
	case c.Level == unix.SOL_IPV6 && c.Type == unix.IPV6_PKTINFO && int(h.Controllen) >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		at = netip.AddrFrom16((*unix.Inet6Pktinfo)(info).Addr).Unmap()
	}
	if at.IsMulticast() {
		return netip.Addr{}
	}
	return at
}

// controls are the control messages of a datagram that leaves from an address
// of ours that is not left to the kernel.
type controls struct {
	_    [0]uint64
	data [128]byte
	used int
}

// add begins another message and returns where its value goes. What is not
// written of it is zero.
func (c *controls) add(level, kind int32, size int) unsafe.Pointer {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&c.data[c.used]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(size))
	value := unsafe.Pointer(&c.data[c.used+unix.CmsgLen(0)])
	c.used += unix.CmsgSpace(size)
	return value
}

// leave puts the address that the message leaves from into it, and how long
// the segments are unless that is 0.
func (m *message) leave(from netip.Addr, segment int, ipv6 bool) {
	c := &m.controls
	*c = controls{}
	if ipv6 {
		(*unix.Inet6Pktinfo)(c.add(unix.SOL_IPV6, unix.IPV6_PKTINFO, unix.SizeofInet6Pktinfo)).Addr = from.As16()
	} else {
		(*unix.Inet4Pktinfo)(c.add(unix.SOL_IP, unix.IP_PKTINFO, unix.SizeofInet4Pktinfo)).Spec_dst = from.As4()
	}
	if segment > 0 {
		*(*uint16)(c.add(unix.SOL_UDP, unix.UDP_SEGMENT, 2)) = uint16(segment)
	}
	m.header.Control = &c.data[0]
	m.header.SetControllen(c.used)
}

// sourceFor asks the kernel from which address of ours it would send to a
// remote one. It is not valid when there is no way.
func sourceFor(to netip.Addr) netip.Addr {
	// The calls are made directly: a connected socket that sends nothing never
	// waits, and package net would have its poller watch it.
	var remote unix.Sockaddr = &unix.SockaddrInet6{Port: anyPort, Addr: to.As16()}
	family := unix.AF_INET6
	if to.Is4() {
		remote, family = &unix.SockaddrInet4{Port: anyPort, Addr: to.As4()}, unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = unix.Close(fd) }()
	if unix.Connect(fd, remote) != nil {
		return netip.Addr{}
	}
	name, _ := unix.Getsockname(fd)
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrFrom4(a.Addr)
	case *unix.SockaddrInet6:
		return netip.AddrFrom16(a.Addr)
	}
	return netip.Addr{}
}

// anyPort is one to connect to: the way does not depend on it.
const anyPort = 9
