package auth_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

const password = "correct horse"

var somewhere = netip.MustParseAddr("203.0.113.7")

// newService makes a service on a database of its own.
func newService(t *testing.T, open bool) (*auth.Service, *store.Store) {
	t.Helper()
	db, err := store.Open(t.Context(), t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := auth.New(t.Context(), auth.Config{Storage: db, Open: open})
	require.NoError(t, err)
	return s, db
}

// storedHash is of password; making one takes a while, so the tests share it.
var storedHash = sync.OnceValue(func() string {
	h, err := auth.HashForTests(password)
	if err != nil {
		return err.Error()
	}
	return h
})

// addUsers adds one user of each role, named like it, and a disabled one.
func addUsers(t *testing.T, db *store.Store) {
	t.Helper()
	for _, r := range []auth.Role{auth.Viewer, auth.Publisher, auth.Moderator, auth.Admin} {
		require.NoError(t, db.AddUser(t.Context(), auth.User{Name: string(r), Hash: storedHash(), Role: r, Enabled: true}))
	}
	require.NoError(t, db.AddUser(t.Context(), auth.User{Name: "disabled", Hash: storedHash(), Role: auth.Admin}))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	closed, db := newService(t, false)
	open, err := auth.New(t.Context(), auth.Config{Storage: db, Open: true})
	require.NoError(t, err)
	addUsers(t, db)
	yes := true
	secretKey, err := closed.NewKey(t.Context(), "secret", &yes)
	require.NoError(t, err)
	harbourKey, err := closed.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	token := func(a auth.Action, stream string) string {
		tok, err := closed.NewToken(a, stream, time.Hour)
		require.NoError(t, err)
		return tok
	}
	publish, watch := auth.Publish, auth.Watch
	none := auth.Request{}

	for _, c := range []struct {
		name    string
		service *auth.Service
		action  auth.Action
		stream  string
		with    auth.Request
		subject string
		err     error
	}{
		{"anybody watches a public stream", closed, watch, "harbour", none, "", nil},
		{"anybody watches a stream never heard of", closed, watch, "fresh", none, "", nil},
		{"nobody watches a private stream", closed, watch, "secret", none, "", auth.ErrUnauthenticated},
		{"nobody publishes", closed, publish, "harbour", none, "", auth.ErrUnauthenticated},
		{"anybody publishes on an open server", open, publish, "fresh", none, "", nil},
		{"an open server keeps private streams", open, watch, "secret", none, "", auth.ErrUnauthenticated},

		{"key publishes", closed, publish, "harbour", auth.Request{Token: harbourKey}, "key:harbour", nil},
		{"key watches its private stream", closed, watch, "secret", auth.Request{Token: secretKey}, "key:secret", nil},
		{"key of another stream", closed, publish, "secret", auth.Request{Token: harbourKey}, "", auth.ErrDenied},
		{"key of another stream watches", closed, watch, "secret", auth.Request{Token: harbourKey}, "", auth.ErrDenied},
		{"key of another stream watches what all may", closed, watch, "fresh", auth.Request{Token: harbourKey}, "key:harbour", nil},
		{"wrong key", closed, publish, "harbour", auth.Request{Token: "hk_wrong"}, "", auth.ErrUnauthenticated},
		{"wrong key where none is needed", closed, watch, "harbour", auth.Request{Token: "hk_wrong"}, "", auth.ErrUnauthenticated},
		{"wrong key on an open server", open, publish, "harbour", auth.Request{Token: "hk_wrong"}, "", auth.ErrUnauthenticated},

		{"publish token publishes", closed, publish, "fresh", auth.Request{Token: token(publish, "fresh")}, "token:", nil},
		{"publish token watches too", closed, watch, "secret", auth.Request{Token: token(publish, "secret")}, "token:", nil},
		{"watch token watches", closed, watch, "secret", auth.Request{Token: token(watch, "secret")}, "token:", nil},
		{"watch token does not publish", closed, publish, "secret", auth.Request{Token: token(watch, "secret")}, "", auth.ErrDenied},
		{"watch token on an open server", open, publish, "fresh", auth.Request{Token: token(watch, "fresh")}, "token:", nil},
		{"token of another stream", closed, watch, "secret", auth.Request{Token: token(watch, "other")}, "", auth.ErrDenied},

		{"password publishes", closed, publish, "fresh", auth.Request{User: "publisher", Pass: password}, "user:publisher", nil},
		{"name in another case", closed, publish, "fresh", auth.Request{User: "PUBLISHER", Pass: password}, "user:publisher", nil},
		{"wrong password", closed, publish, "fresh", auth.Request{User: "publisher", Pass: "wrong"}, "", auth.ErrUnauthenticated},
		{"wrong password where none is needed", closed, watch, "fresh", auth.Request{User: "publisher", Pass: "wrong"}, "", auth.ErrUnauthenticated},
		{"empty password", closed, publish, "fresh", auth.Request{User: "publisher"}, "", auth.ErrUnauthenticated},
		{"password without a name", closed, publish, "fresh", auth.Request{Pass: password}, "", auth.ErrUnauthenticated},
		{"unknown user", closed, publish, "fresh", auth.Request{User: "nobody", Pass: password}, "", auth.ErrUnauthenticated},
		{"disabled user", closed, publish, "fresh", auth.Request{User: "disabled", Pass: password}, "", auth.ErrUnauthenticated},

		{"account viewer watches", closed, watch, "secret", auth.Request{Account: "viewer"}, "user:viewer", nil},
		{"account viewer does not publish", closed, publish, "fresh", auth.Request{Account: "viewer"}, "", auth.ErrDenied},
		{"account viewer on an open server", open, publish, "fresh", auth.Request{Account: "viewer"}, "user:viewer", nil},
		{"account publisher publishes", closed, publish, "fresh", auth.Request{Account: "publisher"}, "user:publisher", nil},
		{"account moderator publishes", closed, publish, "fresh", auth.Request{Account: "moderator"}, "user:moderator", nil},
		{"account admin publishes", closed, publish, "fresh", auth.Request{Account: "admin"}, "user:admin", nil},
		{"account disabled", closed, publish, "fresh", auth.Request{Account: "disabled"}, "", auth.ErrUnauthenticated},
		{"account removed", closed, watch, "fresh", auth.Request{Account: "gone"}, "", auth.ErrUnauthenticated},
		{"a token counts before an account", closed, publish, "secret", auth.Request{Token: token(watch, "secret"), Account: "admin"}, "", auth.ErrDenied},

		{"bad name", closed, watch, "../etc", none, "", auth.ErrName},
		{"bad name, right key", closed, publish, "", auth.Request{Token: harbourKey}, "", auth.ErrName},
		{"unknown action", closed, "admin", "harbour", auth.Request{Account: "admin"}, "", auth.ErrDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := c.with
			r.Action, r.Stream, r.Addr = c.action, c.stream, somewhere
			g, err := c.service.Check(t.Context(), r)
			require.ErrorIs(t, err, c.err)
			if c.err != nil {
				require.Zero(t, g, "a refusal gives no grant")
				return
			}
			require.Equal(t, c.stream, g.Stream())
			require.True(t, g.Allows(c.action, time.Now()))
			if c.subject == "token:" {
				require.Greater(t, len(g.Subject()), len(c.subject))
				require.True(t, strings.HasPrefix(g.Subject(), c.subject))
				return
			}
			require.Equal(t, c.subject, g.Subject())
		})
	}
}

func TestGrantOfTokenEndsWithIt(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	token, err := s.NewToken(auth.Publish, "harbour", time.Minute)
	require.NoError(t, err)
	g, err := s.Check(t.Context(), auth.Request{Action: auth.Publish, Stream: "harbour", Token: token})
	require.NoError(t, err)
	require.True(t, g.Allows(auth.Publish, time.Now()))
	require.False(t, g.Allows(auth.Publish, time.Now().Add(2*time.Minute)))
	require.False(t, g.Allows(auth.Watch, time.Now()))
}

func TestNewKeyReplacesTheOldOneAndKeepsPrivacy(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	yes, no := true, false
	first, err := s.NewKey(t.Context(), "harbour", &yes)
	require.NoError(t, err)
	second, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	require.ErrorIs(t, s.Bearer(t.Context(), first, somewhere), auth.ErrUnauthenticated)
	require.NoError(t, s.Bearer(t.Context(), second, somewhere))
	private, err := s.PrivateStreams(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]bool{"harbour": true}, private)
	_, err = s.NewKey(t.Context(), "harbour", &no)
	require.NoError(t, err)
	private, err = s.PrivateStreams(t.Context())
	require.NoError(t, err)
	require.Empty(t, private)
	_, err = s.NewKey(t.Context(), "../x", nil)
	require.ErrorIs(t, err, auth.ErrName)
}

func TestAddUserRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	for _, c := range []struct {
		name, password string
		role           auth.Role
		err            error
	}{
		{"", password, auth.Viewer, auth.ErrUserName},
		{"a b", password, auth.Viewer, auth.ErrUserName},
		{strings.Repeat("a", 65), password, auth.Viewer, auth.ErrUserName},
		{"ada", "short", auth.Viewer, auth.ErrPassword},
		{"ada", strings.Repeat("p", 1025), auth.Viewer, auth.ErrPassword},
		{"ada", password, "root", auth.ErrRole},
		{"ada", password, auth.Viewer, nil},
		{"Ada", password, auth.Admin, auth.ErrExists},
	} {
		require.ErrorIs(t, s.AddUser(t.Context(), c.name, c.password, c.role), c.err, c.name)
	}
	users, err := s.Users(t.Context())
	require.NoError(t, err)
	require.Equal(t, []auth.User{{Name: "ada", Role: auth.Viewer, Enabled: true}}, users, "without their hashes")
	require.ErrorIs(t, s.RemoveUser(t.Context(), "bob"), auth.ErrNotFound)
}

func TestStorageFailureIsNoRefusal(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Check(ctx, auth.Request{Action: auth.Watch, Stream: "harbour"})
	require.Error(t, err)
	for _, refusal := range []error{auth.ErrUnauthenticated, auth.ErrDenied, auth.ErrThrottled, auth.ErrName} {
		require.False(t, errors.Is(err, refusal), "a broken database must not look like a wrong key")
	}
}
