package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/cli"
	"github.com/heliograph/heliograph/server/store"
)

// result is what a command left behind.
type result struct {
	code     int
	out, err string
}

// run runs a command with a text on its standard input.
func run(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	require.NoError(t, os.WriteFile(path, []byte(stdin), 0o600))
	in, err := os.Open(path)
	require.NoError(t, err)
	defer in.Close()
	var out, errs bytes.Buffer
	code := cli.Main(t.Context(), args, cli.Env{In: in, Out: &out, Err: &errs, Environ: []string{"HELIOGRAPH_LATER=1"}})
	return result{code, out.String(), errs.String()}
}

// folder returns a data folder with an empty database.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	db, err := store.Open(t.Context(), dir)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	return dir
}

// service opens the database that the commands wrote.
func service(t *testing.T, dir string) *auth.Service {
	t.Helper()
	db, err := store.Open(t.Context(), dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, err := auth.New(t.Context(), auth.Config{Storage: db})
	require.NoError(t, err)
	return s
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, args := range [][]string{
		{"dance"},
		{"serve", "now"},
		{"--hls", ":1936"},
		{"--rtmp", "1935"},
		{"--listen", "80"},
		{"--listen", "127.0.0.1:0", "--public-host", "nosuch.invalid", "--data", dir},
		{"--log", "xml"},
		{"user"},
		{"user", "dance"},
		{"user", "add", "--data", dir},
		{"user", "add", "a b", "--data", dir},
		{"user", "add", "ada", "--role", "root", "--data", dir},
		{"user", "add", "ada", "--password", "x", "--data", dir},
		{"token", "--data", dir},
		{"token", "--stream", "harbour", "--action", "admin", "--data", dir},
		{"token", "--stream", "a/b", "--action", "watch", "--data", dir},
		{"token", "--stream", "a", "--action", "watch", "--ttl", "-1h", "--data", dir},
		{"token", "--stream", "a", "--action", "watch", "--ttl", "soon", "--data", dir},
		{"token", "--stream", "a", "--action", "watch", "--ttl", "999999h", "--data", dir},
		{"key", "--data", dir},
		{"key", "a/b", "--data", dir},
		{"key", "a", "--data", ""},
		{"version", "2"},
		{"bench", "--viewers", "-1"},
		{"doctor"},
		{"doctor", "live.example.org"},
	} {
		r := run(t, "correct horse\n", args...)
		require.Equal(t, 2, r.code, "%v: %s", args, r.err)
		require.Empty(t, r.out, "%v", args)
		require.Contains(t, r.err, "heliograph: ", "%v", args)
		require.Contains(t, r.err, "--help", "%v", args)
	}
}

func TestMistakesAreExplained(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for want, args := range map[string][]string{
		`--open is true or false, not "maybe"`:           {"--open=maybe"},
		`--ttl is a time like 90m or 24h, not "soon"`:    {"token", "--ttl", "soon"},
		`--viewers is a whole number, not "many"`:        {"bench", "--viewers", "many"},
		`--public-host: "nosuch.invalid" has no address`: {"--listen", "127.0.0.1:0", "--public-host", "nosuch.invalid", "--data", dir},
		"is a file": {"--listen", "127.0.0.1:0", "--data", file},
		`level=WARN msg="no setting has this name`: {"--listen", "127.0.0.1:0", "--data", file},
		"variable=HELIOGRAPH_LATER":                {"--listen", "127.0.0.1:0", "--data", file},
	} {
		r := run(t, "", args...)
		require.NotZero(t, r.code, "%v", args)
		require.Contains(t, r.err, want)
		for _, raw := range []string{"strconv", "--listen"} {
			require.NotContains(t, r.err, raw, "%v", args)
		}
	}
}

func TestOnlyTheServersDatabase(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	commands := [][]string{{"key", "harbour"}, {"token", "--stream", "harbour", "--action", "watch"}, {"user", "list"}, {"user", "remove", "ada"}, {"user", "import"}}
	for _, args := range commands {
		r := run(t, "", append(args, "--data", dir)...)
		require.Equal(t, 1, r.code, "%v", args)
		require.Empty(t, r.out)
		require.Contains(t, r.err, "no database of heliograph in "+dir)
		require.Contains(t, r.err, "--data")
		require.NoDirExists(t, dir)
	}
	file := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(file, []byte("data: "+dir+"\n"), 0o600))
	r := run(t, "correct horse\n", "user", "add", "ada", "--role", "Publisher", "--config", file)
	require.Zero(t, r.code, r.err)
	require.Equal(t, "made user ada (publisher) in "+dir+"\n", r.out)
	r = run(t, "", "key", "harbour", "--config", file)
	require.Zero(t, r.code, r.err)
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--help"}, {"help"}, {"user", "--help"}, {"bench", "--help"}} {
		r := run(t, "", args...)
		require.Zero(t, r.code)
		require.Contains(t, r.out, "Usage:")
	}
	r := run(t, "", "version")
	require.Zero(t, r.code)
	require.True(t, strings.HasPrefix(r.out, "heliograph 0.1.0"))
}

func TestUsers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new")
	require.Zero(t, run(t, "correct horse\r\nmore", "user", "add", "ada", "--role", "Admin", "--data", dir).code)
	r := run(t, "correct horse\n", "user", "add", "ADA", "--data", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "already")
	require.Equal(t, 2, run(t, "short\n", "user", "add", "bob", "--data", dir).code)
	require.Equal(t, 1, run(t, "", "user", "add", "bob", "--data", dir).code)

	file := filepath.Join(t.TempDir(), "users")
	require.NoError(t, os.WriteFile(file, []byte("bob=x,ROLE_PUBLISHER\n"), 0o600))
	r = run(t, "", "user", "import", file, "--data", dir)
	require.Zero(t, r.code, r.err)
	require.Equal(t, "1 users imported\n", r.out)
	require.Contains(t, r.err, "password of bob is short")
	require.Zero(t, run(t, "cem=correct horse,viewer,disabled\n", "user", "import", "--data", dir).code)
	r = run(t, "dan=x,viewer\neve=x\n", "user", "import", "-", "--data", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "line 2")
	require.Equal(t, 1, run(t, "", "user", "import", "/nowhere/users", "--data", dir).code)

	r = run(t, "", "user", "list", "--data", dir)
	require.Equal(t, "NAME  ROLE       STATE\nada   admin      enabled\nbob   publisher  enabled\ncem   viewer     disabled\n", r.out)
	require.Zero(t, run(t, "", "user", "remove", "Bob", "--data", dir).code)
	r = run(t, "", "user", "remove", "bob", "--data", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "no user")

	_, err := service(t, dir).Check(t.Context(), auth.Request{Action: auth.Publish, Stream: "harbour", User: "ada", Pass: "correct horse"})
	require.NoError(t, err, "the end of the line is not part of the password")
}

func TestKeysAndTokens(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	key := run(t, "", "key", "harbour", "--private", "--data", dir)
	require.Zero(t, key.code, key.err)
	token := run(t, "", "token", "--stream", "harbour", "--action", "watch", "--ttl", "1h", "--data", dir)
	require.Zero(t, token.code, token.err)
	s := service(t, dir)
	check := func(a auth.Action, out string) error {
		text := strings.TrimSuffix(out, "\n")
		require.NotContains(t, text, "\n", "one line, for scripts")
		_, err := s.Check(context.Background(), auth.Request{Action: a, Stream: "harbour", Token: text})
		return err
	}
	require.NoError(t, check(auth.Publish, key.out))
	require.NoError(t, check(auth.Watch, token.out))
	require.ErrorIs(t, check(auth.Publish, token.out), auth.ErrDenied)
	require.NotContains(t, key.err, strings.TrimSpace(key.out))
}
