//go:build !linux

package udp

import (
	"log/slog"
	"net/netip"
)

// send sends one datagram.
func (s *Socket) send(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// sendBurst is never called here: see probeGSO.
func (s *Socket) sendBurst(b []byte, segment int, to netip.AddrPort) error {
	return s.sendEach(b, segment, to)
}

// probeGSO says that this kernel does not cut segments.
func probeGSO() bool { return false }

// checkBuffers has nothing to ask the kernel here.
func (s *Socket) checkBuffers(*slog.Logger) {}
