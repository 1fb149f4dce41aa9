package client

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// socketBuffer is what is asked of the kernel, in bytes; it may give less.
const socketBuffer = 1 << 20

// maxDatagram is the longest datagram taken in.
const maxDatagram = 2048

// link is what carries a client's datagrams: its socket, or its connection to a
// TURN server.
type link interface {
	send(b []byte, to netip.AddrPort)
	// read hands on what comes, as soon as it does, until the link is closed or
	// detached.
	read(c *Client)
	// detach takes the link away from the Go runtime; it is false where that
	// cannot be done.
	detach() bool
	// receive hands on what has come to a detached link, and says how many
	// datagrams there were.
	receive(b *Batch, c *Client) int
	close()
}

// socket is the one UDP socket of a client. Each has its own because servers
// tell viewers apart by their address.
type socket struct {
	// set at construction
	port uint16

	// guarded by mu
	mu   sync.Mutex
	conn *net.UDPConn // nil after detach and close
	fd   int          // after detach; -1 otherwise

	// atomic
	drops atomic.Uint32 // packets lost because the socket's buffer was full
}

func openSocket(local *net.UDPAddr, ipv4 bool) (*socket, error) {
	network := "udp6"
	if ipv4 {
		network = "udp4"
	}
	conn, err := net.ListenUDP(network, local)
	if err != nil {
		return nil, fmt.Errorf("no UDP socket for one more viewer (is the limit of open files too low?): %w", err)
	}
	_ = conn.SetReadBuffer(socketBuffer)
	_ = stampArrivals(conn) // without it the time of the read counts
	return &socket{conn: conn, fd: -1, port: uint16(conn.LocalAddr().(*net.UDPAddr).Port)}, nil
}

// send sends one datagram. What is lost is repeated by the protocols above.
func (s *socket) send(b []byte, to netip.AddrPort) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.conn != nil:
		_, _ = s.conn.WriteToUDPAddrPort(b, to)
	case s.fd >= 0:
		sendTo(s.fd, b, to)
	}
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		_ = s.conn.Close()
	}
	if s.fd >= 0 {
		closeFile(s.fd)
	}
	s.conn, s.fd = nil, -1
}

// read hands on what comes, one by one and as soon as it does, until the
// socket is closed or detached.
func (s *socket) read(c *Client) {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn == nil {
		return
	}
	b, oob := make([]byte, maxDatagram), make([]byte, controlSize)
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(b, oob)
		if err != nil {
			return
		}
		arrived, drops := readControl(oob[:oobn])
		if drops != 0 {
			s.drops.Store(drops)
		}
		if arrived == 0 {
			arrived = time.Now().UnixNano()
		}
		c.arrived(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), arrived)
	}
}
