//go:build !linux

package port

import (
	"log/slog"
	"net/netip"
)

// send sends one datagram.
func (s *socket) send(b []byte, to netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, to)
	return err
}

// sendBatch is never called here: see probeGSO.
func (s *socket) sendBatch(b []byte, segment int, to netip.AddrPort) error {
	return s.sendEach(b, segment, to)
}

// probeGSO says that this kernel does not cut segments.
func probeGSO() bool { return false }

// checkBuffers has nothing to ask the kernel here.
func (s *socket) checkBuffers(*slog.Logger) {}
