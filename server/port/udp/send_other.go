//go:build !linux

package udp

import "log/slog"

// send sends one datagram.
func (s *Socket) send(b []byte, w way) error {
	_, err := s.conn.WriteToUDPAddrPort(b, w.to)
	return err
}

// sendBurst is never called here: see probeGSO.
func (s *Socket) sendBurst(b []byte, segment int, w way) error {
	return s.sendEach(b, segment, w)
}

// probeGSO says that this kernel does not cut segments.
func probeGSO() bool { return false }

// checkBuffers has nothing to ask the kernel here.
func (s *Socket) checkBuffers(*slog.Logger) {}
