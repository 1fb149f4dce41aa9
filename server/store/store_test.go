package store_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

func open(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestFilesAreTheOwnersOnly(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	s := open(t, dir)
	require.NoError(t, s.PutSecret(t.Context(), "x", []byte("y")))
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, e := range entries {
		info, err := e.Info()
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), e.Name())
	}
}

func TestOnlyAnExistingDatabase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	_, err := store.OpenExisting(t.Context(), dir)
	require.ErrorIs(t, err, store.ErrMissing)
	require.ErrorContains(t, err, dir)
	require.NoDirExists(t, dir, "nothing is made")
	open(t, dir)
	s, err := store.OpenExisting(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

func TestFailuresSayWhatToDo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	damaged := t.TempDir()
	garbage := []byte(strings.Repeat("this is no database. ", 1000))
	require.NoError(t, os.WriteFile(filepath.Join(damaged, store.FileName), garbage, 0o600))
	for dir, want := range map[string]string{
		file:                        file + " is a file",
		filepath.Join(file, "data"): "name a folder with --data",
		damaged:                     "is damaged or no database; put a copy of it back",
	} {
		_, err := store.Open(t.Context(), dir)
		require.ErrorContains(t, err, want)
	}
}

func TestUnwritableFolder(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may write everywhere")
	}
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o500))
	_, err := store.Open(t.Context(), dir)
	require.ErrorContains(t, err, dir+" is not writable; give it to the user")
}

func TestFolderNamesThatLookLikeParameters(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a?mode=ro&b#c%20d é")
	s := open(t, dir)
	require.NoError(t, s.PutSecret(t.Context(), "x", []byte("y")))
	_, err := os.Stat(filepath.Join(dir, store.FileName))
	require.NoError(t, err)
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx := t.Context()
	first, err := store.Open(ctx, dir)
	require.NoError(t, err)
	user := auth.User{Name: "Ada", Hash: "h", Role: auth.Admin, Enabled: true}
	key := auth.Key{Stream: "harbour", Hash: []byte{1}, Sealed: []byte{4}, Private: true}
	session := auth.Session{Hash: []byte{2}, User: "Ada", Expires: time.UnixMilli(5000)}
	require.NoError(t, first.AddUser(ctx, user))
	require.NoError(t, first.PutKey(ctx, key))
	require.NoError(t, first.AddSession(ctx, session, time.UnixMilli(0), 9))
	require.NoError(t, first.PutSecret(ctx, "s", []byte{3}))
	require.NoError(t, first.Close())

	s := open(t, dir)
	gotUser, err := s.User(ctx, "aDA")
	require.NoError(t, err)
	require.Equal(t, user, gotUser)
	gotKey, err := s.KeyByHash(ctx, []byte{1})
	require.NoError(t, err)
	require.Equal(t, key, gotKey)
	gotSession, err := s.Session(ctx, []byte{2})
	require.NoError(t, err)
	require.Equal(t, session, gotSession)
	secret, err := s.SecretOnce(ctx, "s", []byte{9})
	require.NoError(t, err)
	require.Equal(t, []byte{3}, secret)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := t.Context()
	_, err := s.User(ctx, "ada")
	require.ErrorIs(t, err, auth.ErrNotFound)
	_, err = s.KeyOf(ctx, "harbour")
	require.ErrorIs(t, err, auth.ErrNotFound)
	_, err = s.Session(ctx, []byte{1})
	require.ErrorIs(t, err, auth.ErrNotFound)
	_, err = s.Secret(ctx, "x")
	require.ErrorIs(t, err, auth.ErrNotFound)
	require.ErrorIs(t, s.RemoveUser(ctx, "ada"), auth.ErrNotFound)
	require.NoError(t, s.RemoveSession(ctx, []byte{1}))

	u := auth.User{Name: "ada", Hash: "h", Role: auth.Viewer}
	require.NoError(t, s.AddUser(ctx, u))
	u.Name = "ADA"
	require.ErrorIs(t, s.AddUser(ctx, u), auth.ErrExists)
	bad := []auth.User{{Name: "new", Hash: "h", Role: auth.Viewer}, {Name: "dup", Hash: "h"}, {Name: "dup", Hash: "h"}}
	require.NoError(t, s.PutUsers(ctx, bad), "the later line of two counts")
	us, err := s.Users(ctx)
	require.NoError(t, err)
	require.Len(t, us, 3)
}

func TestSessionsOfAUserAreBounded(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	ctx := t.Context()
	for _, name := range []string{"ada", "bob"} {
		require.NoError(t, s.AddUser(ctx, auth.User{Name: name, Hash: "h", Role: auth.Viewer}))
		for i := range 5 {
			row := auth.Session{Hash: []byte(name + string(rune('0'+i))), User: name, Expires: time.UnixMilli(int64(1000 + i))}
			require.NoError(t, s.AddSession(ctx, row, time.UnixMilli(0), 3))
		}
	}
	for i := range 5 {
		_, err := s.Session(ctx, []byte("ada"+string(rune('0'+i))))
		if i < 2 {
			require.ErrorIs(t, err, auth.ErrNotFound, "the oldest go")
		} else {
			require.NoError(t, err)
		}
	}
	late := auth.Session{Hash: []byte("late"), User: "bob", Expires: time.UnixMilli(9000)}
	require.NoError(t, s.AddSession(ctx, late, time.UnixMilli(5000), 3))
	_, err := s.Session(ctx, []byte("ada4"))
	require.ErrorIs(t, err, auth.ErrNotFound, "what expired goes, whoever signs in")
}

func TestServerAndCommandShareTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	stores := []*store.Store{open(t, dir), open(t, dir)}
	var all sync.WaitGroup
	for i, s := range stores {
		all.Go(func() {
			for n := range 20 {
				name := string(rune('a'+i)) + string(rune('a'+n))
				if err := s.AddUser(t.Context(), auth.User{Name: name, Hash: "h", Role: auth.Viewer}); err != nil {
					t.Errorf("adding %s: %v", name, err)
				}
			}
		})
	}
	all.Wait()
	us, err := stores[0].Users(t.Context())
	require.NoError(t, err)
	require.Len(t, us, 40)
}

func TestOnlyOneFirstAdmin(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	for _, u := range []auth.User{{Name: "viewer", Hash: "h", Role: auth.Viewer, Enabled: true}, {Name: "gone", Hash: "h", Role: auth.Admin}} {
		require.NoError(t, s.AddUser(t.Context(), u))
		has, err := s.HasAdmin(t.Context())
		require.NoError(t, err)
		require.False(t, has, u.Name)
	}
	results := make(chan error, 8)
	for i := range cap(results) {
		go func() {
			results <- s.AddFirstAdmin(t.Context(), auth.User{Name: string(rune('a' + i)), Hash: "h", Role: auth.Admin, Enabled: true})
		}()
	}
	won := 0
	for range cap(results) {
		if err := <-results; err == nil {
			won++
		} else {
			require.ErrorIs(t, err, auth.ErrExists)
		}
	}
	require.Equal(t, 1, won)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, store.FileName), []byte("this is not a database, but a text file"), 0o600))
	_, err := store.Open(t.Context(), dir)
	require.ErrorContains(t, err, store.FileName)

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = store.Open(t.Context(), filepath.Join(file, "data"))
	require.Error(t, err)
}
