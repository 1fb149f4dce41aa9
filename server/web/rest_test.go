package web

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func cookieFrom(t *testing.T, res *http.Response) *http.Cookie {
	t.Helper()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Len(t, res.Cookies(), 1)
	return res.Cookies()[0]
}

func (f *fixture) session(t *testing.T, r request, status int) sessionState {
	t.Helper()
	var s sessionState
	require.NoError(t, json.Unmarshal([]byte(f.body(t, r, status)), &s))
	return s
}

func TestSetUpSignInSignOut(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	require.Equal(t, sessionState{SetupNeeded: true, Version: "0.1.0"}, f.session(t, request{path: "/api/v1/session"}, 200))
	token, err := f.auth.BeginSetUp(t.Context())
	require.NoError(t, err)
	setUp := func(token, pass string) request {
		return request{method: "POST", path: "/api/v1/setup", body: `{"token":"` + token + `","user":"ada","password":"` + pass + `"}`}
	}
	require.Contains(t, f.body(t, setUp("wrong", password), 401), "set-up link")
	require.Contains(t, f.body(t, setUp(token, "short"), 400), "A password has 8")
	s := f.session(t, setUp(token, password), 201)
	require.Equal(t, "ada", s.User.Name)
	require.False(t, s.SetupNeeded)
	require.Contains(t, f.body(t, setUp(token, password), 409), codeSetUp)

	signIn := request{method: "POST", path: "/api/v1/session", body: `{"user":"ada","password":"` + password + `"}`}
	first := cookieFrom(t, f.do(signIn))
	require.True(t, first.HttpOnly)
	require.False(t, first.Secure)
	require.Equal(t, http.SameSiteLaxMode, first.SameSite)
	require.Equal(t, "/", first.Path)
	require.Equal(t, 30*24*3600, first.MaxAge)
	require.Equal(t, "ada", f.session(t, request{path: "/api/v1/session", cookie: first}, 200).User.Name)

	signIn.cookie = first
	second := cookieFrom(t, f.do(signIn))
	require.NotEqual(t, first.Value, second.Value, "rotated at sign-in")
	require.Nil(t, f.session(t, request{path: "/api/v1/session", cookie: first}, 200).User)
	out := f.do(request{method: "DELETE", path: "/api/v1/session", cookie: second})
	require.Equal(t, http.StatusNoContent, out.StatusCode)
	require.Equal(t, -1, out.Cookies()[0].MaxAge)
	require.Nil(t, f.session(t, request{path: "/api/v1/session", cookie: second}, 200).User)
}

func TestWrongSignInsLookAlikeAndAreThrottled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, testWrongSignIns)
}

func testWrongSignIns(t *testing.T) {
	f := newFixture(t)
	f.signedIn(t)
	wrong := func(user string) request {
		return request{method: "POST", path: "/api/v1/session", body: `{"user":"` + user + `","password":"not it"}`}
	}
	require.Equal(t, f.body(t, wrong("ada"), 401), f.body(t, wrong("nobody"), 401))
	for range 4 {
		f.body(t, wrong("ada"), 401)
	}
	res := f.do(wrong("ada"))
	require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	require.Equal(t, "60", res.Header.Get("Retry-After"))
}

func TestCookieIsSecureOverTLS(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{true, false} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("X-Forwarded-Proto", "https") // anybody can say so
		r.TLS = nil
		if secure {
			r.TLS = &tls.ConnectionState{}
		}
		w := httptest.NewRecorder()
		setCookie(w, r, "x")
		require.Equal(t, secure, w.Result().Cookies()[0].Secure)
	}
}

func TestForeignPagesCannotUseTheCookie(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cookie := f.signedIn(t)
	for name, header := range map[string]map[string]string{
		"fetch metadata": {"Sec-Fetch-Site": "cross-site"},
		"same site":      {"Sec-Fetch-Site": "same-site"},
		"origin":         {"Origin": "https://evil.test"},
		"null origin":    {"Origin": "null"},
	} {
		r := request{method: "DELETE", path: "/api/v1/session", header: header, cookie: cookie}
		require.Contains(t, f.body(t, r, 403), codeOrigin, name)
	}
	require.NotNil(t, f.session(t, request{path: "/api/v1/session", cookie: cookie}, 200).User)
	own := map[string]string{"Origin": "http://example.com", "Host": "example.com"}
	require.Equal(t, 204, f.do(request{method: "DELETE", path: "/api/v1/session", header: own, cookie: cookie}).StatusCode)
}

func TestBodiesAreChecked(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for name, c := range map[string]struct {
		body, kind string
		status     int
	}{
		"a form":        {"user=ada", "application/x-www-form-urlencoded", 415},
		"text":          {"{}", "text/plain", 415},
		"huge":          {`{"user":"` + strings.Repeat("a", 5000) + `"}`, "application/json", 413},
		"not JSON":      {"{", "application/json", 400},
		"an array":      {"[]", "application/json", 400},
		"unknown field": {`{"user":"a","password":"b","role":"admin"}`, "application/json", 400},
		"two objects":   {`{"user":"a","password":"b"}{}`, "application/json", 400},
		"empty object":  {`{}`, "application/json; charset=utf-8", 401},
	} {
		r := request{method: "POST", path: "/api/v1/session", body: c.body, header: map[string]string{"Content-Type": c.kind}}
		var p problem
		require.NoError(t, json.Unmarshal([]byte(f.body(t, r, c.status)), &p), name)
		require.Equal(t, c.status, p.Status, name)
		require.Equal(t, "about:blank", p.Type)
		require.NotEmpty(t, p.Detail)
	}
}

func TestStreamLists(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	yes := true
	key, err := f.auth.NewKey(t.Context(), "secret", &yes)
	require.NoError(t, err)
	bearer := map[string]string{"Authorization": "Bearer " + key}
	admin := f.signedIn(t)

	anonymous := f.body(t, request{path: "/api/v1/streams"}, 200)
	require.Contains(t, anonymous, `{"name":"harbour","title":"Harbour at dawn","state":"live","viewers":2,"tracks":[{"kind":"video","codec":"VP8"}]}`)
	require.NotContains(t, anonymous, "secret")
	require.Contains(t, f.body(t, request{path: "/api/v1/streams", cookie: admin}, 200), "secret")

	for _, path := range []string{"/api/v1/streams/secret", "/api/v1/streams/secret/poster.jpg"} {
		f.body(t, request{path: path}, 401)
		f.body(t, request{path: path, cookie: admin}, 200)
		f.body(t, request{path: path, header: bearer}, 200)
		f.body(t, request{path: path, header: map[string]string{"Authorization": "Bearer wrong"}}, 401)
	}
	f.body(t, request{path: "/api/v1/streams/offline"}, 404)
	f.body(t, request{path: "/api/v1/streams/offline/poster.jpg"}, 404)
	f.body(t, request{path: "/api/v1/streams/a%20b"}, 400)

	poster := f.do(request{path: PosterPath("harbour", 3)})
	require.Equal(t, "image/jpeg", poster.Header.Get("Content-Type"))
	require.Equal(t, "private, max-age=60", poster.Header.Get("Cache-Control"))
	f.streams.list = nil
	require.Equal(t, "{\"streams\":[]}\n", f.body(t, request{path: "/api/v1/streams"}, 200))
}
