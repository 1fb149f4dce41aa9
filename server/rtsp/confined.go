package rtsp

import (
	"fmt"
	"net"
	"net/netip"
)

// confined is a socket that talks to one host only: a camera must not make the
// server send packets to others.
type confined struct {
	*net.UDPConn
	peer netip.Addr
}

// WriteTo sends to the one host, and nothing to others.
func (c confined) WriteTo(b []byte, to net.Addr) (int, error) {
	if addrOf(to) != c.peer {
		return 0, fmt.Errorf("the camera wants packets sent to another host, %v", to)
	}
	return c.UDPConn.WriteTo(b, to)
}

// addrOf returns the IP address of a network address, the zero Addr for none.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.UDPAddr:
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
