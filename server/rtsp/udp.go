package rtsp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// udpBuffer is what the system keeps of packets that were not read yet. A
// keyframe of 4K comes as some hundred packets at once.
const udpBuffer = 2 << 20

// pair is the two sockets of RTP and RTCP, on an even port and the next one
// (RFC 3550 section 11).
type pair struct{ rtp, rtcp net.PacketConn }

// listenPair opens both sockets; with port 0 on any free pair.
func listenPair(addr string) (*pair, error) {
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address for RTP: %w", err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port%2 != 0 {
		return nil, fmt.Errorf("port %q for RTP: it must be an even number, RTCP takes the next one", service)
	}
	const attempts = 50
	for range attempts {
		p, err := tryPair(host, int(port))
		if err == nil || port != 0 {
			return p, err
		}
	}
	return nil, errors.New("no two consecutive UDP ports are free")
}

func tryPair(host string, port int) (*pair, error) {
	rtp, err := listenUDP("udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	port = rtp.LocalAddr().(*net.UDPAddr).Port
	if port%2 != 0 {
		_ = rtp.Close()
		return nil, errors.New("an odd port")
	}
	rtcp, err := listenUDP("udp", net.JoinHostPort(host, strconv.Itoa(port+1)))
	if err != nil {
		_ = rtp.Close()
		return nil, err
	}
	return &pair{rtp, rtcp}, nil
}

// listenUDP opens a socket with room for a burst, as far as the system allows.
func listenUDP(network, addr string) (*net.UDPConn, error) {
	c, err := net.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
	_ = u.SetReadBuffer(udpBuffer)
	return u, nil
}

func (p *pair) close() {
	if p != nil {
		_ = p.rtp.Close()
		_ = p.rtcp.Close()
	}
}

// hand gives the sockets to the library, which asks for RTP first.
func (p *pair) hand() func(network, address string) (net.PacketConn, error) {
	left := []net.PacketConn{p.rtp, p.rtcp}
	return func(string, string) (net.PacketConn, error) {
		if len(left) == 0 {
			return nil, net.ErrClosed
		}
		c := left[0]
		left = left[1:]
		return c, nil
	}
}

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
