//go:build !linux

package udp

import "net"

// shareOut leaves it at one socket: these kernels do not spread clients over
// the sockets of one number.
func shareOut(first *net.UDPConn, _ int) []*net.UDPConn { return []*net.UDPConn{first} }
