package auth_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// answers is a client that answers a challenge as if key were its secret.
func answers(key string) func(secret string) bool {
	respond := func(secret string) []byte {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte("challenge"))
		return mac.Sum(nil)
	}
	return func(secret string) bool { return hmac.Equal(respond(secret), respond(key)) }
}

func TestCheckProof(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, true)
	key, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	other, err := s.NewKey(t.Context(), "other", nil)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		action auth.Action
		stream string
		key    string
		err    error
	}{
		"publish":                    {auth.Publish, "harbour", key, nil},
		"watch":                      {auth.Watch, "harbour", key, nil},
		"key of another stream":      {auth.Publish, "harbour", other, auth.ErrUnauthenticated},
		"wrong key":                  {auth.Publish, "harbour", "hk_wrong", auth.ErrUnauthenticated},
		"wrong where none is needed": {auth.Publish, "fresh", "hk_wrong", auth.ErrUnauthenticated},
		"no key":                     {auth.Publish, "fresh", "", auth.ErrUnauthenticated},
		"bad name":                   {auth.Publish, "../x", key, auth.ErrName},
		"unknown action":             {"admin", "harbour", key, auth.ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			proves := func(secret string) bool {
				asked++
				require.True(t, strings.HasPrefix(secret, "hk_"))
				require.Len(t, secret, len(key), "every stream's secret has the same shape")
				return answers(c.key)(secret)
			}
			g, err := s.CheckProof(t.Context(), auth.Request{Action: c.action, Stream: c.stream, Addr: somewhere}, proves)
			require.ErrorIs(t, err, c.err)
			if c.err == nil || errors.Is(c.err, auth.ErrUnauthenticated) {
				require.Equal(t, 1, asked)
			}
			if c.err != nil {
				require.Zero(t, g)
				return
			}
			require.Equal(t, "key:harbour", g.Subject())
			require.True(t, g.Allows(c.action, g.Expires()))
		})
	}
}

func TestProofsThatSayYesToEverything(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	_, err := s.CheckProof(t.Context(), auth.Request{Action: auth.Publish, Stream: "fresh"}, func(string) bool { return true })
	require.ErrorIs(t, err, auth.ErrUnauthenticated, "a stream without a key is never proven")
}

func TestGuessingProofs(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	key, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	newClock(s)
	try := func(stream, key string) error {
		_, err := s.CheckProof(t.Context(), auth.Request{Action: auth.Publish, Stream: stream, Addr: somewhere}, answers(key))
		return err
	}
	for i := range 30 {
		want := auth.ErrUnauthenticated
		if i >= 20 {
			want = auth.ErrThrottled
		}
		require.ErrorIs(t, try([]string{"harbour", "fresh"}[i%2], "hk_guess"), want, "attempt %d", i)
	}
	require.ErrorIs(t, s.Bearer(t.Context(), "hk_guess", somewhere), auth.ErrThrottled, "one count for both ways")
	require.NoError(t, try("harbour", key), "a right key is never locked out")
}

func TestKeyIsShownAgain(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	_, ok, err := s.Key(t.Context(), "harbour")
	require.NoError(t, err)
	require.False(t, ok)
	_, _, err = s.Key(t.Context(), "../x")
	require.ErrorIs(t, err, auth.ErrName)
	first, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	second, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	again, err := auth.New(t.Context(), auth.Config{Storage: db})
	require.NoError(t, err)
	got, ok, err := again.Key(t.Context(), "harbour")
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, second, got, "also after a restart")

	row, err := db.KeyOf(t.Context(), "harbour")
	require.NoError(t, err)
	require.NotContains(t, string(row.Sealed), "hk_")
	row.Stream, row.Hash = "other", []byte("another hash")
	require.NoError(t, db.PutKey(t.Context(), row))
	_, ok, err = s.Key(t.Context(), "other")
	require.NoError(t, err)
	require.False(t, ok, "a seal opens for its own stream only")
}

func TestKeysOfEarlierVersions(t *testing.T) {
	t.Parallel()
	_, db := newService(t, false)
	var log bytes.Buffer
	s, err := auth.New(t.Context(), auth.Config{Storage: db, Log: slog.New(slog.NewTextHandler(&log, nil))})
	require.NoError(t, err)
	const key = "hk_made-before"
	sum := sha256.Sum256([]byte(key))
	require.NoError(t, db.PutKey(t.Context(), auth.Key{Stream: "harbour", Hash: sum[:]}))
	require.NoError(t, s.Bearer(t.Context(), key, somewhere), "it still opens what it opened")
	r := auth.Request{Action: auth.Publish, Stream: "harbour", Proto: "rtmp", Addr: somewhere}
	for range 3 {
		_, err = s.CheckProof(t.Context(), r, answers(key))
		require.ErrorIs(t, err, auth.ErrUnauthenticated)
	}
	require.Equal(t, 1, strings.Count(log.String(), "heliograph key NAME"), "said once a minute: %s", log.String())
	require.NotContains(t, log.String(), key)
	_, ok, err := s.Key(t.Context(), "harbour")
	require.NoError(t, err)
	require.False(t, ok)
}

func TestProofWithoutDatabaseIsNoRefusal(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.CheckProof(ctx, auth.Request{Action: auth.Publish, Stream: "harbour"}, answers("x"))
	require.ErrorIs(t, err, context.Canceled)
	require.NotErrorIs(t, err, auth.ErrUnauthenticated)
}
