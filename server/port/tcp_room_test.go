package port

import (
	"bytes"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/metric"
)

// Connections of all networks together leave files for everything else: what
// is too much is closed, counted and logged once, and there is room again when
// others have ended.
func TestConnectionsLeaveRoom(t *testing.T) {
	t.Parallel()
	const most = 3
	var logged bytes.Buffer
	p, err := Listen(Config{Listen: "127.0.0.1:0", Metrics: metric.New(), Log: slog.New(slog.NewTextHandler(&logged, nil))})
	require.NoError(t, err)
	require.Positive(t, p.streams.room.most)
	p.streams.room.most = most
	stop := runUntil(t, p)
	for range most {
		connect(t, p)
	}
	open := func() int {
		p.streams.mu.Lock()
		defer p.streams.mu.Unlock()
		return p.streams.room.open
	}
	eventually(t, "open", func() bool { return open() == most })
	for range 5 {
		closed(t, connect(t, p))
	}
	eventually(t, "counted", func() bool { return p.count.streams.full.Value() == 5 })
	require.Zero(t, p.count.streams.crowd.Value(), "which is another cause")

	p.streams.mu.Lock()
	p.streams.evict(func(*silentConn) bool { return true })
	p.streams.mu.Unlock()
	eventually(t, "room again", func() bool { return open() == most-1 })
	c := connect(t, p)
	_, err = c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	got, err := p.HTTP().Accept()
	require.NoError(t, err)
	require.NoError(t, got.Close())
	stop()
	require.Zero(t, open())
	require.Equal(t, 1, strings.Count(logged.String(), "connections refused"), logged.String())
}

func TestRoom(t *testing.T) {
	t.Parallel()
	for files, most := range map[uint64]int{0: 0, 1: 1, 64: 48, 1024: 768, 1 << 20: maxOpen, math.MaxUint64: maxOpen} {
		require.Equal(t, most, roomFor(files).most, files)
	}
	now := time.Now()
	r := roomFor(1)
	require.False(t, r.none())
	r.open++
	require.True(t, r.none())
	require.True(t, r.say(now))
	require.False(t, r.say(now.Add(sayEvery-1)))
	require.True(t, r.say(now.Add(sayEvery)))
}
