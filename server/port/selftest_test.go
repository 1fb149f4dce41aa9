package port

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port/address"
)

func TestSelfTest(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	p, err := Listen(Config{Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(&logged, nil))})
	require.NoError(t, err)
	turn := p.TURNStreams()
	run(t, p)
	// A stand-in for the TURN server, which answers what comes by TCP.
	go func() {
		c, err := turn.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 20)
		if n, err := io.ReadFull(c, b); err == nil {
			var out [bindingSize]byte
			_, _ = c.Write(bindingAnswer(&out, b[:n], netip.MustParseAddrPort("192.0.2.1:5")))
		}
	}()
	p.SelfTest(t.Context())
	require.Contains(t, logged.String(), "only this machine")
	require.Contains(t, logged.String(), "UDP leads here")
	require.Contains(t, logged.String(), "TCP leads here")
	require.NotContains(t, logged.String(), "level=WARN")
}

func TestSelfTestFindsWhatIsClosed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := netip.MustParseAddrPort(l.Addr().String())
	require.NoError(t, l.Close())
	var logged bytes.Buffer
	p := &Port{log: slog.New(slog.NewTextHandler(&logged, nil)), local: gone}
	p.addresses, err = address.Find(address.Config{Local: gone, Hosts: []Host{{Name: "127.0.0.1"}}, Log: p.log}, nil)
	require.NoError(t, err)
	p.SelfTest(t.Context())
	require.Contains(t, logged.String(), "UDP does not lead here; open it in this machine's firewall")
	require.Contains(t, logged.String(), "TCP does not lead here")
	logged.Reset()
	p.tellSelf(netip.MustParseAddrPort("198.51.100.7:8080"), selfResult{way: "UDP", err: errStranger})
	require.Contains(t, logged.String(), "heliograph doctor")
}
