package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNewerDatabaseIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := Open(t.Context(), dir)
	require.NoError(t, err)
	_, err = s.db.ExecContext(t.Context(), "PRAGMA user_version = 999")
	require.NoError(t, err)
	require.NoError(t, s.Close())
	_, err = Open(t.Context(), dir)
	require.ErrorIs(t, err, ErrNewer)
}

func TestWriteAheadLog(t *testing.T) {
	t.Parallel()
	s, err := Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	var mode string
	require.NoError(t, s.db.QueryRowContext(t.Context(), "PRAGMA journal_mode").Scan(&mode))
	require.Equal(t, "wal", mode)
	require.NoError(t, s.Close())
}
