package certs

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The end waits for a job that writes, and for what that needs to do so, and
// admits no other.
func TestStorageEndsWithItsUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t.TempDir())
		require.NoError(t, s.Lock(t.Context(), "name"))
		begun := time.Now()
		go func() {
			time.Sleep(time.Second)
			require.NoError(t, s.Store(t.Context(), "key", []byte("value")))
			require.NoError(t, s.Unlock(t.Context(), "name"))
		}()
		s.close()
		require.Equal(t, time.Second, time.Since(begun))
		require.ErrorIs(t, s.Store(t.Context(), "key", nil), errClosed)
		require.ErrorIs(t, s.Lock(t.Context(), "name"), errClosed)
		b, err := s.Load(t.Context(), "key")
		require.NoError(t, err)
		require.Equal(t, "value", string(b))
		time.Sleep(time.Minute) // the library keeps the lock fresh until it sees that it is gone
	})
	s := newStorage(t.TempDir())
	s.close() // nobody is waited for
	require.ErrorIs(t, s.Store(t.Context(), "key", nil), errClosed)
}

// The end does not wait for a job that waits for ever.
func TestStorageEndsWithoutWhoIsStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStorage(t.TempDir())
		require.NoError(t, s.enter())
		begun := time.Now()
		s.close()
		require.Equal(t, closeTime, time.Since(begun))
		s.leave()
		require.ErrorIs(t, s.enter(), errClosed)
	})
}
