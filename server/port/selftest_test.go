package port

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
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
	p.addresses, err = newAddresses(gone, []string{"127.0.0.1"}, p.log)
	require.NoError(t, err)
	p.SelfTest(t.Context())
	require.Contains(t, logged.String(), "UDP does not lead here; open it in this machine's firewall")
	require.Contains(t, logged.String(), "TCP does not lead here")
	logged.Reset()
	p.tellSelf(netip.MustParseAddrPort("198.51.100.7:8080"), selfResult{way: "UDP", err: errStranger})
	require.Contains(t, logged.String(), "heliograph doctor")
}

func TestAddressesAreExplained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, local string
		hosts       []string
		want        string
	}{
		{"443 at home", "[::]:443", []string{"192.168.1.5"}, "Chromium ignores"},
		{"443 on the internet", "[::]:443", []string{"192.0.2.1"}, ""},
		{"at home, by name", "[::]:8080", []string{"192.168.1.5"}, ""},
		{"one private address", "192.168.1.5:8080", nil, "--public-host"},
		{"loopback", "127.0.0.1:443", nil, "only this machine"},
	} {
		var logged bytes.Buffer
		var err error
		p := &Port{log: slog.New(slog.NewTextHandler(&logged, nil)), local: netip.MustParseAddrPort(c.local)}
		p.addresses, err = newAddresses(p.local, c.hosts, p.log)
		require.NoError(t, err, c.name)
		p.tellAddresses()
		if c.want == "" {
			require.Empty(t, logged.String(), c.name)
		} else {
			require.Contains(t, logged.String(), c.want, c.name)
		}
	}
}
