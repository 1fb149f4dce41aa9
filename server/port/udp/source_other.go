//go:build !linux

package udp

import "net/netip"

// tellAsked does nothing: here answers leave from the address that the system
// picks.
func (s *Socket) tellAsked() bool { return false }

// sourceFor asks nobody: no datagram says here which address it was sent to.
func sourceFor(netip.Addr) netip.Addr { return netip.Addr{} }
