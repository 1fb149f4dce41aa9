package auth

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAttemptsStayBounded(t *testing.T) {
	t.Parallel()
	a := newAttempts(5)
	now := time.Now()
	for i := range 3 * attemptsKept {
		require.True(t, a.take(strconv.Itoa(i), now))
	}
	require.LessOrEqual(t, len(a.windows), attemptsKept)
}

func TestHashesWaitInABoundedQueue(t *testing.T) {
	t.Parallel()
	h := newHasher()
	ctx, cancel := context.WithCancel(t.Context())
	for range hashesAtOnce {
		require.NoError(t, h.enter(ctx))
	}
	results := make(chan error, hashesWaiting+10)
	for range hashesWaiting + 10 {
		go func() { results <- h.enter(ctx) }()
	}
	for range 10 {
		require.ErrorIs(t, <-results, ErrThrottled)
	}
	cancel()
	for range hashesWaiting {
		require.ErrorIs(t, <-results, context.Canceled)
	}
	for range hashesAtOnce {
		h.leave()
	}
	require.Empty(t, h.running)
	require.Empty(t, h.waiting)
}

func TestHashes(t *testing.T) {
	t.Parallel()
	h := newHasher()
	stored, err := h.hash(t.Context(), "correct horse")
	require.NoError(t, err)
	require.NotContains(t, stored, "horse")
	for password, want := range map[string]bool{"correct horse": true, "correct hors": false, "": false, "correct horse\x00": false} {
		got, err := h.verify(t.Context(), stored, password)
		require.NoError(t, err)
		require.Equal(t, want, got, "%q", password)
	}
	got, err := h.verify(t.Context(), "", "anything")
	require.NoError(t, err)
	require.False(t, got, "nobody's password is right")
	for _, broken := range []string{"x", hashPrefix(), hashPrefix() + "AA$AA", "$argon2id$v=19$m=99999999,t=2,p=1$AA$AA"} {
		_, err := h.verify(t.Context(), broken, "anything")
		require.ErrorIs(t, err, errHash)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	order := []Role{Viewer, Publisher, Moderator, Admin}
	for i, r := range order {
		for j, least := range order {
			require.Equal(t, i >= j, r.Includes(least), "%s includes %s", r, least)
		}
		require.False(t, r.Includes(""))
		require.False(t, Role("").Includes(r))
		got, err := ParseRole(" ROLE_" + string(r))
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	_, err := ParseRole("root")
	require.ErrorIs(t, err, ErrRole)
}
