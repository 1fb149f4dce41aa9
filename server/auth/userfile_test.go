package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

func TestParseUsers(t *testing.T) {
	t.Parallel()
	users, err := auth.ParseUsers(strings.NewReader("\ufeff# name=password,roles\r\n\r\n" +
		"ada=s3cret=word,ROLE_ADMIN\r\n" +
		" bob = p w ,viewer,PUBLISHER,viewer,enabled\n" +
		"cem=x,disabled,moderator"))
	require.NoError(t, err)
	require.Equal(t, []auth.FileUser{
		{Name: "ada", Password: "s3cret=word", Role: auth.Admin, Enabled: true},
		{Name: "bob", Password: " p w ", Role: auth.Publisher, Enabled: true},
		{Name: "cem", Password: "x", Role: auth.Moderator},
	}, users)
	require.True(t, users[2].Weak())
	require.False(t, users[0].Weak())
}

func TestParseUsersRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, want string }{
		"no equals":      {"# first\nada", "line 2"},
		"no password":    {"ada=,admin", "line 1"},
		"no role":        {"ada=geheim", "line 1"},
		"only a state":   {"ada=geheim,enabled", "line 1"},
		"unknown role":   {"ada=geheim,root", "roles"},
		"comma too many": {"ada=ge,heim,admin", "roles"},
		"bad name":       {"a b=geheim,admin", "name"},
		"twice":          {"ada=geheim,admin\n\nADA=geheim,admin", "line 3"},
		"long line":      {"ada=" + strings.Repeat("x", 5000) + ",admin", "line 1"},
		"long password":  {"ada=" + strings.Repeat("x", 1025) + ",admin", "1024"},
		"too many":       {manyUsers(10_001), "10000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := auth.ParseUsers(strings.NewReader(c.file))
			require.ErrorIs(t, err, auth.ErrUserFile)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "heim", "no password in an error")
		})
	}
}

func manyUsers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("u")
		b.WriteString(strings.Repeat("a", i%50))
		b.WriteString(string(rune('a'+i/50%26)) + string(rune('a'+i/1300)))
		b.WriteString("=x,viewer\n")
	}
	return b.String()
}

func TestImportUsersChangesThoseThatExist(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	addUsers(t, db)
	users, err := auth.ParseUsers(strings.NewReader("VIEWER=another one,publisher\nnew=short,viewer,disabled"))
	require.NoError(t, err)
	require.NoError(t, s.ImportUsers(t.Context(), users))
	require.ErrorIs(t, signIn(t, s, "viewer", password, somewhere), auth.ErrUnauthenticated)
	require.NoError(t, signIn(t, s, "viewer", "another one", somewhere))
	require.ErrorIs(t, signIn(t, s, "new", "short", somewhere), auth.ErrUnauthenticated)
}

func FuzzParseUsers(f *testing.F) {
	for _, seed := range []string{"ada=secret,ADMIN", "a=b,viewer,disabled\n# x\n\nb=c=d,ROLE_PUBLISHER", "\ufeffx=y", "=,", "a=,,,", "a=b,viewer\r\nA=b,viewer"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		users, err := auth.ParseUsers(strings.NewReader(file))
		if err != nil {
			require.ErrorIs(t, err, auth.ErrUserFile)
			require.Empty(t, users, "all or none")
			return
		}
		seen := map[string]bool{}
		for _, u := range users {
			name := strings.ToLower(u.Name)
			require.False(t, seen[name])
			seen[name] = true
			require.True(t, u.Role.Includes(auth.Viewer))
			require.NotEmpty(t, u.Password)
			require.NotContains(t, u.Password, ",")
			require.NotContains(t, u.Name, "=")
		}
	})
}
