package store_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	ctx := t.Context()
	none, err := s.Documents(ctx, "source")
	require.NoError(t, err)
	require.Empty(t, none)
	require.NoError(t, s.PutDocument(ctx, "source", "harbour", []byte("one")))
	require.NoError(t, s.PutDocument(ctx, "source", "harbour", []byte("two")))
	require.NoError(t, s.PutDocument(ctx, "source", "empty", nil))
	require.NoError(t, s.PutDocument(ctx, "push", "harbour", []byte("three")))
	again := open(t, dir)
	all, err := again.Documents(ctx, "source")
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"harbour": []byte("two"), "empty": nil}, all)
	require.NoError(t, s.DeleteDocument(ctx, "source", "harbour"))
	require.NoError(t, s.DeleteDocument(ctx, "source", "harbour"))

	pushes := s.Kind("push")
	require.NoError(t, pushes.Put(ctx, "more", []byte("four")))
	require.NoError(t, pushes.Delete(ctx, "harbour"))
	all, err = pushes.All(ctx)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"more": []byte("four")}, all)
}
