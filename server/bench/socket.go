package bench

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

const socketBuffer = 1 << 20 // bytes asked for; the kernel may give less

// socket is the one UDP socket of the publisher, in the shapes that pion's ICE
// agent takes (ice.UDPMux and the net.PacketConn it hands out).
type socket struct {
	// set at construction
	conn *net.UDPConn
	addr *net.UDPAddr // announced as the host candidate
}

// localAddr finds the address of this machine on the way to the host of an
// endpoint. IPv4 is preferred, as most servers announce it.
func localAddr(endpoint string) (net.IP, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, usage("the endpoint is not a URL")
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme
	}
	var c net.Conn
	for _, network := range []string{"udp4", "udp6"} {
		if c, err = net.Dial(network, net.JoinHostPort(u.Hostname(), port)); err == nil {
			defer c.Close()
			return c.LocalAddr().(*net.UDPAddr).IP, nil
		}
	}
	return nil, fmt.Errorf("there is no way to %s: %w", u.Hostname(), err)
}

// newSocket opens a socket on all addresses, so that the kernel chooses the
// right source for each of the server's candidates, and announces ip.
func newSocket(ip net.IP) (*socket, error) {
	network := "udp4"
	if ip.To4() == nil {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, nil)
	if err != nil {
		return nil, fmt.Errorf("no UDP socket (is the limit of open files too low?): %w", err)
	}
	_ = conn.SetReadBuffer(socketBuffer)
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return &socket{conn: conn, addr: &net.UDPAddr{IP: ip, Port: port}}, nil
}

// ReadFromAddrPort returns the next packet for pion (ice.AddrPortReaderWriter).
func (s *socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.conn.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort sends one packet (ice.AddrPortReaderWriter).
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.conn.WriteToUDPAddrPort(b, to)
}

// ReadFrom is ReadFromAddrPort for net.PacketConn.
func (s *socket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	return n, net.UDPAddrFromAddrPort(from), err
}

// The rest of net.PacketConn.

// WriteTo sends one packet.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) { return s.conn.WriteTo(b, to) }

// LocalAddr is the announced address.
func (s *socket) LocalAddr() net.Addr { return s.addr }

// SetDeadline sets both deadlines.
func (s *socket) SetDeadline(t time.Time) error { return s.conn.SetDeadline(t) }

// SetReadDeadline ends a read at t.
func (s *socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// SetWriteDeadline ends a write at t.
func (s *socket) SetWriteDeadline(t time.Time) error { return s.conn.SetWriteDeadline(t) }

// Close closes the socket; it may be called twice.
func (s *socket) Close() error { return s.conn.Close() }

// The rest of ice.UDPMux.

// GetConn returns the socket itself: it serves one ICE agent.
func (s *socket) GetConn(string, net.Addr) (net.PacketConn, error) { return s, nil }

// RemoveConnByUfrag does nothing: the only agent closes the socket.
func (s *socket) RemoveConnByUfrag(string) {}

// GetListenAddresses returns the one host candidate.
func (s *socket) GetListenAddresses() []net.Addr { return []net.Addr{s.addr} }
