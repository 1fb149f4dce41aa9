package port

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// bindTries bounds the search for a number free for both protocols.
const bindTries = 50

// listenBoth opens TCP and UDP on one number. With port 0 the kernel picks for
// TCP and another is tried when UDP has that one taken.
func listenBoth(address string) (*net.TCPListener, *net.UDPConn, error) {
	host, number, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("listen address %q is not host:port: %w", address, err)
	}
	family := ""
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		family = "4" // 0.0.0.0 means IPv4; Go would take both families
	}
	for try := 1; ; try++ {
		l, u, err := listenPair(family, host, number)
		if err == nil {
			return l, u, nil
		}
		picked := number == "0" || number == ""
		if !picked || try == bindTries || !errors.Is(err, syscall.EADDRINUSE) {
			return nil, nil, err
		}
	}
}

// listenPair opens TCP on the number given and UDP on the number it got. Both
// want the number for themselves alone, since another server that shares it
// would get a part of our datagrams. Our own UDP sockets share it later; who
// comes then finds TCP taken.
func listenPair(family, host, number string) (*net.TCPListener, *net.UDPConn, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp"+family, net.JoinHostPort(host, number))
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open TCP port %s: %w", number, err)
	}
	got := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	u, err := lc.ListenPacket(context.Background(), "udp"+family, net.JoinHostPort(host, got))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot open UDP port %s: %w", got, err), l.Close())
	}
	return l.(*net.TCPListener), u.(*net.UDPConn), nil
}
