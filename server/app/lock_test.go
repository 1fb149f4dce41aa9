package app_test

import (
	"io"
	"log/slog"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/app"
	"github.com/heliograph/heliograph/server/store"
)

func TestOneServerForADataFolder(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		t.Skip("this system has no flock")
	}
	cfg := app.Config{Settings: settings(t.TempDir()), Out: io.Discard, Err: io.Discard, Log: slog.New(slog.DiscardHandler)}
	first, err := app.New(t.Context(), cfg)
	require.NoError(t, err)
	_, err = app.New(t.Context(), cfg)
	require.ErrorContains(t, err, cfg.Settings.Data)
	require.ErrorContains(t, err, "another heliograph")
	require.ErrorContains(t, err, "--data")
	beside, err := store.OpenExisting(t.Context(), cfg.Settings.Data)
	require.NoError(t, err, "commands work beside a server")
	require.NoError(t, beside.Close())
	require.NoError(t, first.Close())

	after, err := app.New(t.Context(), cfg)
	require.NoError(t, err, "nothing of the lock is left")
	require.NoError(t, after.Close())
}
