package port

import (
	"log/slog"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port/udp"
)

// A second server on the same number is told what is taken, whatever the
// sockets of the first one share.
func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	_, err := Listen(Config{Listen: p.Addr().String()})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "cannot open TCP port "+number(p.HTTP().Addr()))
}

// Where only UDP is taken, nothing of the number is kept.
func TestTakenUDPIsRefused(t *testing.T) {
	t.Parallel()
	tcp, taken, err := listenBoth("127.0.0.1:0") // a number whose TCP half nobody has
	require.NoError(t, err)
	defer func() { _ = taken.Close() }()
	require.NoError(t, tcp.Close())
	refusesUDP(t, taken)
}

// Nor does our own sharing help one who would share.
func TestSharedUDPIsRefused(t *testing.T) {
	t.Parallel()
	tcp, conn, err := listenBoth("127.0.0.1:0")
	require.NoError(t, err)
	shared, err := udp.Open(conn, 2, slog.New(slog.DiscardHandler), newCounters(nil).sockets())
	require.NoError(t, err)
	for _, s := range shared {
		defer s.Close()
	}
	require.NoError(t, tcp.Close())
	refusesUDP(t, conn)
}

// refusesUDP expects the number of a UDP socket to be refused and its TCP half
// to be free afterwards.
func refusesUDP(t *testing.T, taken *net.UDPConn) {
	t.Helper()
	_, err := Listen(Config{Listen: taken.LocalAddr().String()})
	require.ErrorIs(t, err, syscall.EADDRINUSE)
	require.ErrorContains(t, err, "cannot open UDP port "+number(taken.LocalAddr()))
	l, err := net.Listen("tcp4", taken.LocalAddr().String())
	require.NoError(t, err)
	_ = l.Close()
}

// number returns the port number of an address, as text.
func number(a net.Addr) string {
	_, n, _ := net.SplitHostPort(a.String())
	return n
}
