package rtsp

import (
	"net/netip"
	"sync"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
)

// claims are the UDP ports of clients, each of one session. The library tells
// the packets of sessions apart by them alone: of two with the same, from behind
// one NAT, the second would get the media of the first, and end it when it ends.
type claims struct {
	mu     sync.Mutex
	owners map[netip.AddrPort]*gortsplib.ServerSession
}

// take claims the ports of a SETUP by UDP. It returns errPorts when another
// session has one.
func (l *claims) take(addr netip.Addr, ss *gortsplib.ServerSession, transport base.HeaderValue) error {
	ports := clientPorts(transport)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range ports {
		if owner := l.owners[netip.AddrPortFrom(addr, p)]; owner != nil && owner != ss {
			return errPorts
		}
	}
	for _, p := range ports {
		l.owners[netip.AddrPortFrom(addr, p)] = ss
	}
	return nil
}

// leave gives back what a session claimed.
func (l *claims) leave(ss *gortsplib.ServerSession) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for at, owner := range l.owners {
		if owner == ss {
			delete(l.owners, at)
		}
	}
}

// clientPorts returns the ports in a Transport header, of all the ways that it
// offers by UDP.
func clientPorts(header base.HeaderValue) []uint16 {
	var list headers.Transports
	if list.Unmarshal(header) != nil {
		return nil
	}
	var ports []uint16
	for _, t := range list {
		if t.Protocol == headers.TransportProtocolUDP && t.ClientPorts != nil {
			ports = append(ports, uint16(t.ClientPorts[0]), uint16(t.ClientPorts[1]))
		}
	}
	return ports
}
