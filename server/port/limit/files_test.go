package limit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFiles(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		f := NewFiles(slog.New(slog.NewTextHandler(&logged, nil)))
		require.Positive(t, f.most)
		require.LessOrEqual(t, f.most, maxConns)
		f.most = 2
		require.True(t, f.Take())
		require.True(t, f.Take())
		for range 150 { // seconds
			require.False(t, f.Take())
			require.False(t, f.Take())
			time.Sleep(time.Second)
		}
		require.Equal(t, 3, strings.Count(logged.String(), "connections refused"), "once a minute")
		f.Give()
		require.True(t, f.Take())
		require.Equal(t, 2, f.Taken())
	})
}
