package udp

import (
	"context"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// shareOut adds sockets on the number of first until there are n. The kernel
// keeps each remote address on one of them (SO_REUSEPORT). Where it refuses,
// the sockets there are will do.
//
// First was bound without the option, so that nobody else has the number. From
// now on another program of the same user could take a share.
func shareOut(first *net.UDPConn, n int) []*net.UDPConn {
	sockets := []*net.UDPConn{first}
	raw, err := first.SyscallConn()
	if err != nil || n < 2 || reusePort("", "", raw) != nil {
		return sockets
	}
	family := "" // both, of a wildcard
	if first.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Is4() {
		family = "4"
	}
	lc := net.ListenConfig{Control: reusePort}
	for len(sockets) < n {
		c, err := lc.ListenPacket(context.Background(), "udp"+family, first.LocalAddr().String())
		if err != nil {
			return sockets
		}
		sockets = append(sockets, c.(*net.UDPConn))
	}
	return sockets
}

// reusePort is the Control of a net.ListenConfig.
func reusePort(_, _ string, raw syscall.RawConn) error {
	var refused error
	err := raw.Control(func(fd uintptr) {
		refused = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	if err != nil {
		return err
	}
	return refused
}
