package udp

import (
	"net"
	"net/netip"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every socket of an address gets a share of the clients, and keeps them; an
// answer by any of them arrives.
func TestClientsAreSpread(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp4", "udp"} {
		sockets := open(t, network, map[string]string{"udp4": "127.0.0.1"}[network], 4)
		require.Len(t, sockets, 4)
		const clients = 200
		for i := range clients {
			c, err := net.DialUDP("udp4", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sockets[0].conn.LocalAddr().(*net.UDPAddr).Port})
			require.NoError(t, err)
			for range 3 {
				_, err = c.Write([]byte("x"))
				require.NoError(t, err)
			}
			require.NoError(t, sockets[i%4].Send(netip.Addr{}, []byte("answer"), local(c)))
			require.Equal(t, "answer", read(t, c))
			require.NoError(t, c.Close())
		}
		total := 0
		for i, s := range sockets {
			in := make(inbox, 3*clients+100)
			n := NewReader(s, in).emptier()()
			require.Positive(t, n, "socket %d", i)
			total += n
			each := map[string]int{}
			for range n {
				each[in.next(t).from.String()]++
			}
			for from, n := range each {
				require.Zero(t, n%3, "%s stays on its socket", from) // its port may come again
			}
		}
		require.Equal(t, 3*clients, total)
	}
}

// Who does not share gets no socket beside those that do.
func TestOthersGetNoShare(t *testing.T) {
	t.Parallel()
	sockets := open(t, "udp4", "127.0.0.1", 2)
	_, err := net.ListenPacket("udp4", sockets[0].conn.LocalAddr().String())
	require.ErrorIs(t, err, syscall.EADDRINUSE)
}
