package store

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
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

func TestDatabaseOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, FileName)
	db, err := sql.Open("sqlite", dsn(path))
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), migrations()[0]+
		"INSERT INTO keys (stream, hash, private) VALUES ('harbour', x'01', 1); PRAGMA user_version = 1;")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	s, err := Open(t.Context(), dir)
	require.NoError(t, err)
	k, err := s.KeyByHash(t.Context(), []byte{1})
	require.NoError(t, err)
	require.Equal(t, auth.Key{Stream: "harbour", Hash: []byte{1}, Private: true}, k)
	require.NoError(t, s.PutDocument(t.Context(), "source", "a", nil))
	require.NoError(t, s.Close())
}
