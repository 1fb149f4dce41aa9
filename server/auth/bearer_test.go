package auth_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

func TestLooksLikeBearer(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	key, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	token, err := s.NewToken(auth.Watch, "harbour", time.Minute)
	require.NoError(t, err)
	for text, want := range map[string]bool{key: true, token: true, "": false, "correct horse": false, "a.b.c": false, "eyJ.b": false} {
		require.Equal(t, want, auth.LooksLikeBearer(text), "%q", text)
	}
}
