package turn

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	c := newCredentials([]byte("secret"), "live")
	user, password, expires := c.issue("room/alice", now)
	require.Equal(t, now.Add(time.Hour), expires)
	require.True(t, strings.HasPrefix(user, "1700003600:"))
	require.NotContains(t, user, "alice", "nobody learns who it is for")
	require.LessOrEqual(t, len(user), maxUsername)
	again, other, _ := c.issue("room/alice", now)
	require.NotEqual(t, user, again)
	require.NotEqual(t, password, other)

	_, ok := c.keyAt(user, now)
	require.True(t, ok)
	_, ok = c.keyAt(user, expires)
	require.False(t, ok, "expired")
	c.revoke(user)
	c.revoke(user)
	_, ok = c.keyAt(user, now)
	require.False(t, ok, "revoked")
	_, ok = c.keyAt(again, now)
	require.True(t, ok)
}

func TestCredentialsAreForgotten(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	c := newCredentials([]byte("secret"), "live")
	for range 3000 {
		c.issue("x", now)
	}
	now = now.Add(2 * credentialLife)
	for range 3000 {
		c.issue("x", now)
	}
	require.LessOrEqual(t, len(c.issued), 3000+1024)
}

func TestParseUsername(t *testing.T) {
	t.Parallel()
	id, subject := strings.Repeat("a", 2*idSize), strings.Repeat("0", 2*subjectSize)
	good := "1700003600:" + id + ":" + subject
	expiry, ok := parseUsername(good)
	require.True(t, ok)
	require.EqualValues(t, 1_700_003_600, expiry)
	for _, bad := range []string{
		"", ":", "::", "1700003600", good + ":", good + "0", "0" + good, "+" + good, "-" + good, " " + good,
		"99999999999999999999:" + id + ":" + subject, strings.ToUpper(good), strings.Replace(good, "a", "g", 1), "0:" + id + ":" + subject,
	} {
		_, ok := parseUsername(bad)
		require.False(t, ok, bad)
	}
}

func FuzzParseUsername(f *testing.F) {
	user, _, _ := newCredentials([]byte("s"), "r").issue("x", time.Unix(1, 0))
	f.Add(user)
	f.Fuzz(func(t *testing.T, s string) {
		expiry, ok := parseUsername(s)
		if ok && (expiry <= 0 || len(s) > maxUsername) || !ok && expiry != 0 {
			t.Fatal(s, expiry, ok)
		}
	})
}
