// Package udp opens the sockets of media, in the pairs that RTP has. It knows
// nothing of what goes through them.
package udp

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

// buffer is what the system keeps of packets that were not read yet. A
// keyframe of 4K comes as some hundred packets at once.
const buffer = 2 << 20

// Pair is the two sockets of RTP and RTCP, on an even port and the next one
// (RFC 3550 section 11).
type Pair struct{ rtp, rtcp net.PacketConn }

// ListenPair opens both sockets; with port 0 on any free pair.
func ListenPair(addr string) (*Pair, error) {
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

func tryPair(host string, port int) (*Pair, error) {
	rtp, err := Listen("udp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, err
	}
	port = rtp.LocalAddr().(*net.UDPAddr).Port
	if port%2 != 0 {
		_ = rtp.Close()
		return nil, errors.New("an odd port")
	}
	rtcp, err := Listen("udp", net.JoinHostPort(host, strconv.Itoa(port+1)))
	if err != nil {
		_ = rtp.Close()
		return nil, err
	}
	return &Pair{rtp, rtcp}, nil
}

// Listen opens a socket with room for a burst, as far as the system allows.
func Listen(network, addr string) (*net.UDPConn, error) {
	c, err := net.ListenPacket(network, addr)
	if err != nil {
		return nil, err
	}
	u := c.(*net.UDPConn)
	_ = u.SetReadBuffer(buffer)
	return u, nil
}

// Close closes both; it may be called of none.
func (p *Pair) Close() {
	if p != nil {
		_ = p.rtp.Close()
		_ = p.rtcp.Close()
	}
}

// Hand gives the sockets to the library, which asks for RTP first.
func (p *Pair) Hand() func(network, address string) (net.PacketConn, error) {
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
