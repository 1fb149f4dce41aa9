package store

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s, err := Open(ctx, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	long := strings.Repeat("x", maxDocName+1)
	for _, c := range []struct{ kind, id, body string }{
		{"", "a", ""}, {"a", "", ""}, {long, "a", ""}, {"a", long, ""}, {"a", "a", strings.Repeat("x", maxDocument+1)},
	} {
		require.ErrorIs(t, s.PutDocument(ctx, c.kind, c.id, []byte(c.body)), ErrDocument)
	}
	require.NoError(t, s.PutDocument(ctx, "big", "a", make([]byte, maxDocument)))
	_, err = s.db.ExecContext(ctx, `INSERT INTO documents WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		SELECT 'many', i, x'' FROM n`, maxDocuments-1)
	require.NoError(t, err)
	require.NoError(t, s.PutDocument(ctx, "many", "last", nil))
	require.ErrorIs(t, s.PutDocument(ctx, "many", "more", nil), ErrFull)
	require.NoError(t, s.PutDocument(ctx, "many", "7", []byte("changed")), "replacing needs no room")
	require.NoError(t, s.PutDocument(ctx, "few", "more", nil), "other kinds are not concerned")
}
