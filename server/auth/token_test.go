package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// goodClaims are what a right token says.
func goodClaims() jwt.MapClaims {
	return jwt.MapClaims{
		"sub": "abc", "aud": "heliograph", "exp": time.Now().Add(time.Hour).Unix(),
		"action": "publish", "stream": "harbour",
	}
}

// with changes one claim; nil removes it.
func with(key string, v any) jwt.MapClaims {
	c := goodClaims()
	if v == nil {
		delete(c, key)
		return c
	}
	c[key] = v
	return c
}

func signed(t *testing.T, m jwt.SigningMethod, c jwt.MapClaims, key any) string {
	t.Helper()
	token, err := jwt.NewWithClaims(m, c).SignedString(key)
	require.NoError(t, err)
	return token
}

// The table of RFC 8725: whatever is wrong with a token, it opens nothing.
func TestForgedTokens(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	secret := s.Secret()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	hs := func(c jwt.MapClaims) string { return signed(t, jwt.SigningMethodHS256, c, secret) }
	b64 := base64.RawURLEncoding.EncodeToString
	unsigned := func(alg string) string {
		body := strings.Split(hs(goodClaims()), ".")[1]
		return b64([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) + "." + body + "."
	}
	withKid := jwt.NewWithClaims(jwt.SigningMethodHS256, goodClaims())
	withKid.Header["kid"] = "../../dev/null"
	kid, err := withKid.SignedString([]byte{})
	require.NoError(t, err)
	good := hs(goodClaims())
	parts := strings.Split(good, ".")

	i := 0
	for name, token := range map[string]string{
		"alg none":           unsigned("none"),
		"alg None":           unsigned("None"),
		"alg NONE":           unsigned("NONE"),
		"alg empty":          unsigned(""),
		"no signature":       parts[0] + "." + parts[1] + ".",
		"other secret":       signed(t, jwt.SigningMethodHS256, goodClaims(), []byte("another secret")),
		"empty secret":       signed(t, jwt.SigningMethodHS256, goodClaims(), []byte{}),
		"HS512, our secret":  signed(t, jwt.SigningMethodHS512, goodClaims(), secret),
		"RS256":              signed(t, jwt.SigningMethodRS256, goodClaims(), rsaKey),
		"kid to a file":      kid,
		"wrong audience":     hs(with("aud", "another")),
		"no audience":        hs(with("aud", nil)),
		"no end":             hs(with("exp", nil)),
		"ended":              hs(with("exp", time.Now().Add(-time.Second).Unix())),
		"end as text":        hs(with("exp", "tomorrow")),
		"not yet":            hs(with("nbf", time.Now().Add(time.Hour).Unix())),
		"no subject":         hs(with("sub", nil)),
		"long subject":       hs(with("sub", strings.Repeat("s", 65))),
		"no action":          hs(with("action", nil)),
		"unknown action":     hs(with("action", "admin")),
		"action list":        hs(with("action", []string{"publish"})),
		"no stream":          hs(with("stream", nil)),
		"bad stream":         hs(with("stream", "../x")),
		"changed body":       parts[0] + "." + b64([]byte(`{"stream":"harbour","action":"publish","exp":99999999999,"aud":"heliograph","sub":"x"}`)) + "." + parts[2],
		"giant":              hs(with("more", strings.Repeat("x", 5000))),
		"a mebibyte of dots": strings.Repeat(".", 1<<20),
		"two dots":           "..",
		"not base64":         "a.b.c",
		"padded":             good + "=",
		"newline":            good + "\n",
	} {
		i++
		t.Run(name, func(t *testing.T) {
			r := auth.Request{Action: auth.Publish, Stream: "harbour", Token: token, Addr: address(i)} // each with attempts of its own
			_, err := s.Check(t.Context(), r)
			require.ErrorIs(t, err, auth.ErrUnauthenticated)
		})
	}
	require.NoError(t, s.Bearer(t.Context(), good, somewhere))
}

func TestNewTokenRefuses(t *testing.T) {
	t.Parallel()
	s, _ := newService(t, false)
	for _, c := range []struct {
		action auth.Action
		stream string
		ttl    time.Duration
		err    error
	}{
		{auth.Publish, "a/b", time.Hour, auth.ErrName},
		{"admin", "harbour", time.Hour, auth.ErrDenied},
		{auth.Publish, "harbour", 0, auth.ErrTTL},
		{auth.Publish, "harbour", -time.Hour, auth.ErrTTL},
	} {
		_, err := s.NewToken(c.action, c.stream, c.ttl)
		require.ErrorIs(t, err, c.err)
	}
}

func TestTokensOutliveARestartButNotAnotherServer(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	token, err := s.NewToken(auth.Watch, "harbour", time.Hour)
	require.NoError(t, err)
	again, err := auth.New(t.Context(), auth.Config{Storage: db})
	require.NoError(t, err)
	require.NoError(t, again.Bearer(t.Context(), token, somewhere))
	other, _ := newService(t, false)
	require.ErrorIs(t, other.Bearer(t.Context(), token, somewhere), auth.ErrUnauthenticated)
}
