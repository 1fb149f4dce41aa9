package app

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

// Passwords of cameras and keys of other services do not lie about in the
// database, and a row that was moved or made by hand is not used.
func TestVault(t *testing.T) {
	t.Parallel()
	s, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	seals, err := auth.New(t.Context(), auth.Config{Storage: s})
	require.NoError(t, err)
	v := vault{s.Kind("source"), "source", seals, slog.New(slog.DiscardHandler)}
	require.NoError(t, v.Put(t.Context(), "yard", []byte(`{"url":"rtsp://admin:hunter2@camera/"}`)))
	raw, err := s.Documents(t.Context(), "source")
	require.NoError(t, err)
	require.NotContains(t, string(raw["yard"]), "hunter2")
	require.NoError(t, s.PutDocument(t.Context(), "source", "gate", raw["yard"]))
	require.NoError(t, s.PutDocument(t.Context(), "source", "door", []byte(`{"url":"rtsp://10.0.0.1/","private":true}`)))
	all, err := v.All(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{"yard": []byte(`{"url":"rtsp://admin:hunter2@camera/"}`)}, all)
	require.NoError(t, v.Delete(t.Context(), "yard"))
	all, err = v.All(t.Context())
	require.NoError(t, err)
	require.Empty(t, all)
}
