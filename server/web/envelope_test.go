package web

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// fixtureFile reads one of the messages that the web app's tests read too.
func fixtureFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	require.NoError(t, err)
	return string(b)
}

func TestClientFixtures(t *testing.T) {
	t.Parallel()
	entries, err := os.ReadDir(filepath.Join("testdata", "wire", "client"))
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	for _, entry := range entries {
		e, err := parseEnvelope([]byte(fixtureFile(t, "client/"+entry.Name())))
		require.NoError(t, err, entry.Name())
		switch name := entry.Name(); {
		case strings.HasPrefix(name, "hello"):
			require.Equal(t, "hello", e.Type)
			require.Equal(t, protocolVersion, e.Version)
		case name == "ping.json":
			require.InDelta(t, 123.4, *e.T, 1e-9)
		default:
			require.Equal(t, "rtc", e.Ch, name)
		}
	}
}

func TestServerFixtures(t *testing.T) {
	t.Parallel()
	ping := 123.4
	for name, v := range map[string]any{
		"welcome.json": welcome{
			Type: "welcome", Version: 1, Server: "heliograph 0.1.0", Time: 1790000000000.5,
			User: &auth.Account{Name: "ada", Role: auth.Admin},
		},
		"welcome-visitor.json": welcome{Type: "welcome", Version: 1, Server: "heliograph 0.1.0", Time: 1790000000000.5},
		"pong.json":            pong{Type: "pong", T: &ping, Time: 1790000000000.5},
		"error-hello.json":     failure{Type: "error", Code: "unauthenticated", Message: "the token is wrong"},
	} {
		got, err := json.Marshal(v)
		require.NoError(t, err)
		require.JSONEq(t, fixtureFile(t, "server/"+name), string(got), name)
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, seed := range []string{
		`{"type":"hello","version":1,"token":"x"}`, `{"ch":"rtc","type":"publish"}`, `{"type":"ping","t":1e400}`,
		`{"ch":""}`, `{"ch":null,"type":"x"}`, `[]`, `null`, `{"type":{}}`, `{"CH":"rtc"}`, "\xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, msg string) {
		e, err := parseEnvelope([]byte(msg))
		if err != nil {
			require.ErrorIs(t, err, errEnvelope)
			require.Zero(t, e)
			return
		}
		require.True(t, json.Valid([]byte(msg)))
		require.True(t, e.Ch != "" || e.Type != "")
		require.LessOrEqual(t, len(e.Ch), maxChannelName)
	})
}
