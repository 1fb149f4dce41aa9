package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/turn"
)

// A container published under another number is reached by that, although
// nobody but the client knows it.
func TestTURNIsWhereTheClientCameFrom(t *testing.T) {
	t.Parallel()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	defer p.Close()
	server, err := turn.New(turn.Config{Streams: p.TURNStreams(), Relay: p, Peers: p.Peers})
	require.NoError(t, err)
	i := newICE(server, &encryption{}, 8080)
	for authority, want := range map[string][]string{
		"live.example":         {"turn:live.example:8080?transport=tcp"},
		"live.example:8080":    {"turn:live.example:8080?transport=tcp"},
		"live.example:0":       {"turn:live.example:8080?transport=tcp"},
		"live.example:9000":    {"turn:live.example:8080?transport=tcp", "turn:live.example:9000?transport=tcp"},
		"[2001:db8::1]":        {"turn:[2001:db8::1]:8080?transport=tcp"},
		"[2001:db8::1]:9000":   {"turn:[2001:db8::1]:8080?transport=tcp", "turn:[2001:db8::1]:9000?transport=tcp"},
		"live.example:9000000": {"turn:live.example:8080?transport=tcp"},
	} {
		given := i.Servers("somebody", authority)
		require.Len(t, given, 1)
		require.Equal(t, want, given[0].URLs, authority)
	}
}
