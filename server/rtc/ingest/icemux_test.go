package ingest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
)

type nobody struct{}

func (nobody) Receive([]byte, netip.AddrPort) {}

// Whoever has a session of its own can forge a check that seems to come from
// a publisher's address. It must not cost the publisher its stream.
func TestAddressIsTakenBack(t *testing.T) {
	t.Parallel()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	var metrics *metric.Registry
	mux, err := newICEMux(p, "publish1", metrics.Counter("dropped", ""))
	require.NoError(t, err)
	t.Cleanup(func() { _ = mux.Close() })

	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	from := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	require.NoError(t, p.Register("thief", nobody{}))
	for range 2 {
		_, err = mux.v4.WriteToAddrPort([]byte("answer to a check"), from)
		require.NoError(t, err)
		_, err = socket.WriteTo([]byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}, net.UDPAddrFromAddrPort(p.Addr()))
		require.NoError(t, err)
		select {
		case <-mux.v4.queue:
		case <-time.After(patience):
			t.Fatal("the publisher's packet went elsewhere")
		}
		p.Learn(from, "thief")
	}
}
