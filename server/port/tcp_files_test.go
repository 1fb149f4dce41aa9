package port

import (
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Connections of all networks together leave files for everything else: what is
// too much is closed and counted, and there is room again when others end.
func TestConnectionsLeaveFiles(t *testing.T) {
	t.Parallel()
	p, err := Listen(Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	p.streams.files = limit.NewFiles(slog.New(slog.DiscardHandler))
	free := 0
	for p.streams.files.Take() {
		free++
	}
	const most = 3
	for range most {
		p.streams.files.Give()
	}
	stop := runUntil(t, p)
	for range most {
		connect(t, p)
	}
	eventually(t, "open", func() bool { return p.streams.files.Taken() == free })
	for range 5 {
		closed(t, connect(t, p))
	}
	eventually(t, "counted", func() bool { return p.count.streams.full.Value() == 5 })
	require.Zero(t, p.count.streams.crowd.Value(), "which is another cause")

	p.streams.mu.Lock()
	p.streams.evict(func(*silentConn) bool { return true })
	p.streams.mu.Unlock()
	eventually(t, "room again", func() bool { return p.streams.files.Taken() == free-1 })
	c := connect(t, p)
	_, err = io.WriteString(c, "GET / HTTP/1.0\r\n\r\n")
	require.NoError(t, err)
	got, err := p.HTTP().Accept()
	require.NoError(t, err)
	require.NoError(t, got.Close())
	stop()
	require.Equal(t, free-most, p.streams.files.Taken(), "all are given back")
}
