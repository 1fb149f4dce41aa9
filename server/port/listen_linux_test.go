package port

import (
	"context"
	"net"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A socket that would share the number does not get ours.
func TestTakenSharedUDPIsRefused(t *testing.T) {
	t.Parallel()
	lc := net.ListenConfig{Control: reusePort}
	taken, err := lc.ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	refusesUDP(t, taken.(*net.UDPConn))
}

// Every socket of a number gets a share of the clients, and keeps them.
func TestClientsAreSpread(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", ":0"} {
		tcp, conns, err := listenBoth(listen)
		require.NoError(t, err)
		require.Len(t, conns, runtime.GOMAXPROCS(0))
		family := ""
		if listen != ":0" {
			family = "4"
		}
		conns = append(shareOut(conns[0], family, 4), conns[1:]...)
		const clients = 200
		for range clients {
			c, err := net.Dial("udp4", "127.0.0.1:"+number(tcp.Addr()))
			require.NoError(t, err)
			for range 3 {
				_, err = c.Write([]byte("x"))
				require.NoError(t, err)
			}
			require.NoError(t, c.Close())
		}
		total := 0
		owner := map[string]int{}
		for i, c := range conns {
			n := 0
			for _, from := range waiting(t, c) {
				if first, ok := owner[from]; ok {
					require.Equal(t, first, i, "a client stays on its socket")
				}
				owner[from] = i
				n++
			}
			require.Positive(t, n, "socket %d of %d", i, len(conns))
			total += n
		}
		require.Equal(t, 3*clients, total)
		for _, c := range conns {
			_ = c.Close()
		}
		_ = tcp.Close()
	}
}

// waiting takes what waits in a socket and says from whom each datagram is.
func waiting(t *testing.T, c *net.UDPConn) (from []string) {
	t.Helper()
	raw, err := c.SyscallConn()
	require.NoError(t, err)
	b := make([]byte, 100)
	require.NoError(t, raw.Control(func(fd uintptr) {
		for {
			_, a, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			port := 0
			switch a := a.(type) {
			case *unix.SockaddrInet4:
				port = a.Port
			case *unix.SockaddrInet6:
				port = a.Port
			}
			from = append(from, strconv.Itoa(port))
		}
	}))
	return from
}
