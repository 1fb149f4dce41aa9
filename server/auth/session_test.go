package auth_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	addUsers(t, db)
	time := newClock(s)
	ctx := t.Context()
	first, account, err := s.SignIn(ctx, auth.Credentials{User: "ADMIN", Pass: password, Addr: somewhere})
	require.NoError(t, err)
	require.Equal(t, auth.Account{Name: "admin", Role: auth.Admin}, account)
	got, err := s.Session(ctx, first)
	require.NoError(t, err)
	require.Equal(t, account, got)

	second, _, err := s.SignIn(ctx, auth.Credentials{User: "viewer", Pass: password, Addr: somewhere, Old: first})
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	_, err = s.Session(ctx, first)
	require.ErrorIs(t, err, auth.ErrUnauthenticated, "signing in ends the session before")

	require.NoError(t, db.PutUsers(ctx, []auth.User{{Name: "publisher", Hash: "x", Role: auth.Viewer, Enabled: true}}))
	got, err = s.Session(ctx, second)
	require.NoError(t, err, "changing one user ends no other's session")
	require.Equal(t, "viewer", got.Name)

	time.t = time.t.Add(auth.SessionTTL)
	_, err = s.Session(ctx, second)
	require.ErrorIs(t, err, auth.ErrUnauthenticated, "a session ends after its time")

	third, _, err := s.SignIn(ctx, auth.Credentials{User: "viewer", Pass: password, Addr: somewhere})
	require.NoError(t, err)
	require.NoError(t, s.SignOut(ctx, third))
	require.NoError(t, s.SignOut(ctx, third), "signing out twice is fine")
	_, err = s.Session(ctx, third)
	require.ErrorIs(t, err, auth.ErrUnauthenticated)

	fourth, _, err := s.SignIn(ctx, auth.Credentials{User: "viewer", Pass: password, Addr: somewhere})
	require.NoError(t, err)
	require.NoError(t, s.RemoveUser(ctx, "viewer"))
	_, err = s.Session(ctx, fourth)
	require.ErrorIs(t, err, auth.ErrUnauthenticated, "a removed user is signed out")
	for _, junk := range []string{"", "x", first + "x", string(make([]byte, 43))} {
		_, err = s.Session(ctx, junk)
		require.ErrorIs(t, err, auth.ErrUnauthenticated)
	}
}

func TestSetUp(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	ctx := t.Context()
	old, err := s.BeginSetUp(ctx)
	require.NoError(t, err)
	token, err := s.BeginSetUp(ctx)
	require.NoError(t, err)
	for _, wrong := range []string{"", "x", old} {
		_, _, err = s.SetUp(ctx, wrong, "ada", password, somewhere)
		require.ErrorIs(t, err, auth.ErrUnauthenticated)
	}
	_, _, err = s.SetUp(ctx, token, "ada", "short", somewhere)
	require.ErrorIs(t, err, auth.ErrPassword, "a mistake does not use the link up")

	var mu sync.Mutex
	var winners int
	var all sync.WaitGroup
	for _, name := range []string{"ada", "bob", "cem"} {
		all.Go(func() {
			session, a, err := s.SetUp(ctx, token, name, password, somewhere)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				winners++
				got, err := s.Session(ctx, session)
				require.NoError(t, err)
				require.Equal(t, auth.Account{Name: a.Name, Role: auth.Admin}, got)
			} else {
				require.ErrorIs(t, err, auth.ErrSetUp)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, winners, "the link works once")
	again, err := s.BeginSetUp(ctx)
	require.NoError(t, err)
	require.Empty(t, again)
}

// A viewer who was there before the first start is no owner.
func TestSetUpBesideAViewer(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	ctx := t.Context()
	require.NoError(t, s.AddUser(ctx, "admin", password, auth.Viewer))
	token, err := s.BeginSetUp(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, token)
	_, err = s.AddAdmin(ctx, password)
	require.ErrorIs(t, err, auth.ErrExists)
	_, _, err = s.SetUp(ctx, token, "admin", password, somewhere)
	require.ErrorIs(t, err, auth.ErrExists, "nobody becomes an admin over another's account")
	_, _, err = s.SetUp(ctx, token, "ada", password, somewhere)
	require.NoError(t, err)
	require.NoError(t, s.RemoveUser(ctx, "ada"))
	needed, err := s.SetUpNeeded(ctx)
	require.NoError(t, err)
	require.True(t, needed)
}

func TestAddAdmin(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	made, err := s.AddAdmin(t.Context(), "pass")
	require.NoError(t, err)
	require.True(t, made)
	require.NoError(t, signIn(t, s, "admin", "pass", somewhere))
	made, err = s.AddAdmin(t.Context(), "other")
	require.NoError(t, err)
	require.False(t, made, "only when there is no admin")
	require.ErrorIs(t, signIn(t, s, "admin", "other", somewhere), auth.ErrUnauthenticated)
}
