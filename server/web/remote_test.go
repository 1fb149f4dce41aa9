package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// managers stand for the managers of sources, pushes and cameras: they note what
// they are told and answer with what is set.
type managers struct {
	mu      sync.Mutex
	told    []any
	err     error
	waiting chan struct{} // of heavy calls, which then wait until their time is over
}

func newManagers() *managers { return new(managers) }

func (m *managers) door() Remote {
	return Remote{Sources: sources{m}, Pushes: pushes{m}, Cameras: cameras{m}}
}

func (m *managers) note(v any) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.told = append(m.told, v)
	return m.err
}

func (m *managers) last() any {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.told) == 0 {
		return nil
	}
	return m.told[len(m.told)-1]
}

func (m *managers) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.told)
}

func (m *managers) heavy(ctx context.Context, v any) error {
	if err := m.note(v); err != nil || m.waiting == nil {
		return err
	}
	m.waiting <- struct{}{}
	<-ctx.Done()
	return ctx.Err()
}

type (
	sources struct{ *managers }
	pushes  struct{ *managers }
	cameras struct{ *managers }
)

func (s sources) List() []SourceInfo { return nil }

func (s sources) Put(_ context.Context, set SourceSettings) (SourceInfo, bool, error) {
	return SourceInfo{Stream: set.Stream, URL: "rtsp://a:***@192.0.2.7/1", Transport: set.Transport, When: set.When, State: "waiting", Text: "x", Since: 5}, set.Stream == "fresh", s.note(set)
}
func (s sources) Remove(_ context.Context, stream string) error { return s.note(stream) }
func (s sources) Test(ctx context.Context, set SourceSettings) (SourceTest, error) {
	return SourceTest{}, s.heavy(ctx, set)
}

func (p pushes) List() []PushInfo { return nil }

func (p pushes) Add(_ context.Context, stream, url string, _ bool) (PushInfo, error) {
	return PushInfo{ID: "p1", Stream: stream, URL: "rtmp://b/app/•••", Enabled: true, State: "waiting"}, p.note(stream + " " + url)
}

func (p pushes) Enable(_ context.Context, id string, on bool) (PushInfo, error) {
	return PushInfo{ID: id, Enabled: on}, p.note(on)
}
func (p pushes) Remove(_ context.Context, id string) error { return p.note(id) }

func (c cameras) Discover(ctx context.Context) ([]CameraInfo, error) {
	return nil, c.heavy(ctx, "discover")
}

func (c cameras) Streams(ctx context.Context, l CameraLogin) ([]CameraStream, error) {
	return nil, c.heavy(ctx, l)
}

// people returns a cookie for each role.
func (f *fixture) people(t *testing.T) map[auth.Role]*http.Cookie {
	t.Helper()
	all := map[auth.Role]*http.Cookie{auth.Admin: f.signedIn(t)}
	for _, r := range []auth.Role{auth.Viewer, auth.Publisher, auth.Moderator} {
		require.NoError(t, f.auth.AddUser(t.Context(), string(r), password, r))
		all[r] = cookieFrom(t, f.do(request{method: "POST", path: "/api/v1/session", body: `{"user":"` + string(r) + `","password":"` + password + `"}`}))
	}
	return all
}

func withRemote(t *testing.T) (*fixture, *managers) {
	t.Helper()
	m := newManagers()
	return newFixture(t, func(c *Config) { c.Remote = m.door() }), m
}

const goodSource = `{"url":"rtsp://a:b@192.0.2.7/1"}`

func TestRolesOfSettings(t *testing.T) {
	t.Parallel()
	f, m := withRemote(t)
	who := f.people(t)
	for _, c := range []struct {
		method, path, body string
		least              auth.Role
		status             int
	}{
		{"POST", "/api/v1/streams/harbour/key", "", auth.Publisher, 201},
		{"GET", "/api/v1/streams/harbour/key", "", auth.Publisher, 200},
		{"GET", "/api/v1/sources", "", auth.Publisher, 200},
		{"PUT", "/api/v1/sources/harbour", goodSource, auth.Publisher, 200},
		{"PUT", "/api/v1/sources/fresh", goodSource, auth.Publisher, 201},
		{"PUT", "/api/v1/sources/test", goodSource, auth.Publisher, 200},
		{"PUT", "/api/v1/sources/home", `{"url":"rtsp://192.168.1.2/1","private":true}`, auth.Admin, 200},
		{"DELETE", "/api/v1/sources/harbour", "", auth.Publisher, 204},
		{"POST", "/api/v1/sources/test", goodSource, auth.Publisher, 200},
		{"POST", "/api/v1/sources/test", `{"url":"rtsp://192.168.1.2/1","private":true}`, auth.Admin, 200},
		{"POST", "/api/v1/cameras/discover", "{}", auth.Admin, 200},
		{"POST", "/api/v1/cameras/discover", "", auth.Admin, 200},
		{"POST", "/api/v1/cameras/streams", `{"endpoint":"http://192.0.2.7/onvif","user":"a","password":"b"}`, auth.Admin, 200},
		{"GET", "/api/v1/pushes", "", auth.Publisher, 200},
		{"POST", "/api/v1/pushes", `{"stream":"harbour","url":"rtmp://b/app/key"}`, auth.Publisher, 201},
		{"PATCH", "/api/v1/pushes/p1", `{"enabled":false}`, auth.Publisher, 200},
		{"DELETE", "/api/v1/pushes/p1", "", auth.Publisher, 204},
	} {
		r := request{method: c.method, path: c.path, body: c.body}
		name := c.method + " " + c.path
		before := m.count()
		require.Contains(t, f.body(t, r, 401), codeNoSignIn, name)
		r.header = map[string]string{"Authorization": "Bearer hk_x"}
		require.Contains(t, f.body(t, r, 401), codeNoSignIn, name)
		r.header = nil
		for _, role := range []auth.Role{auth.Viewer, auth.Publisher, auth.Moderator, auth.Admin} {
			r.cookie = who[role]
			if !role.Includes(c.least) {
				require.Contains(t, f.body(t, r, 403), codeDenied, name)
				require.Equal(t, before, m.count(), "the manager hears nothing of it")
				continue
			}
			f.body(t, r, c.status)
		}
		r.header = map[string]string{"Sec-Fetch-Site": "cross-site"}
		if c.method != "GET" {
			require.Contains(t, f.body(t, r, 403), codeOrigin, name)
		}
	}
}

func TestSourcesSay(t *testing.T) {
	t.Parallel()
	f, m := withRemote(t)
	admin := f.signedIn(t)
	put := request{method: "PUT", path: "/api/v1/sources/harbour", body: goodSource, cookie: admin}
	require.JSONEq(t, `{"stream":"harbour","url":"rtsp://a:***@192.0.2.7/1","transport":"auto","when":"always","private":false,"fixed":false,"state":"waiting","text":"x","since":5}`, f.body(t, put, 200))
	require.Equal(t, SourceSettings{Stream: "harbour", URL: "rtsp://a:b@192.0.2.7/1", Transport: "auto", When: "always"}, m.last())
	put.body = `{"stream":"harbour","url":"rtsp://h/1","transport":"udp","when":"watched","private":true}`
	f.body(t, put, 200)
	require.Equal(t, SourceSettings{Stream: "harbour", URL: "rtsp://h/1", Transport: "udp", When: "watched", Private: true}, m.last())
	require.JSONEq(t, `{"sources":[]}`, f.body(t, request{path: "/api/v1/sources", cookie: admin}, 200))
	test := request{method: "POST", path: "/api/v1/sources/test", body: `{"url":"rtsp://a:***@h/1","stream":"harbour"}`, cookie: admin}
	require.JSONEq(t, `{"tracks":[],"diagnoses":[]}`, f.body(t, test, 200))
	require.Equal(t, "harbour", m.last().(SourceSettings).Stream, "so that *** can stand for its password")
	require.JSONEq(t, `{"pushes":[]}`, f.body(t, request{path: "/api/v1/pushes", cookie: admin}, 200))
	push := request{method: "POST", path: "/api/v1/pushes", body: `{"stream":"harbour","url":"rtmp://b/app/key"}`, cookie: admin}
	require.JSONEq(t, `{"id":"p1","stream":"harbour","url":"rtmp://b/app/•••","enabled":true,"fixed":false,"state":"waiting","text":"","since":0,"retries":0,"bytes":0}`, f.body(t, push, 201))
	require.Equal(t, "harbour rtmp://b/app/key", m.last())
	require.JSONEq(t, `{"cameras":[]}`, f.body(t, request{method: "POST", path: "/api/v1/cameras/discover", cookie: admin}, 200))
}

func TestBadSettings(t *testing.T) {
	t.Parallel()
	f, m := withRemote(t)
	admin := f.signedIn(t)
	long := strings.Repeat("x", maxURL)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/api/v1/sources/a%20b", goodSource, 400},
		{"PUT", "/api/v1/sources/harbour", `{}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"rtsp://` + long + `"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"x","transport":"sctp"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"x","when":"never"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"x","stream":"other"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"x","stream":"../x"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":7}`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"x","state":"live"}`, 400},
		{"PUT", "/api/v1/sources/harbour", `[]`, 400},
		{"PUT", "/api/v1/sources/harbour", `{"url":"` + strings.Repeat("x", maxSettings) + `"}`, 413},
		{"PUT", "/api/v1/sources/harbour", ``, 415},
		{"DELETE", "/api/v1/sources/a%20b", ``, 400},
		{"POST", "/api/v1/sources/test", `{"transport":"tcp"}`, 400},
		{"POST", "/api/v1/pushes", `{"url":"rtmp://b/app/key"}`, 400},
		{"POST", "/api/v1/pushes", `{"stream":"harbour"}`, 400},
		{"POST", "/api/v1/pushes", `{"stream":"harbour","url":"rtmp://` + long + `"}`, 400},
		{"PATCH", "/api/v1/pushes/p1", `{}`, 400},
		{"PATCH", "/api/v1/pushes/p1", `{"enabled":"yes"}`, 400},
		{"PATCH", "/api/v1/pushes/p1", `{"enabled":null}`, 400},
		{"POST", "/api/v1/cameras/discover", `{"network":"10.0.0.0/8"}`, 400},
		{"POST", "/api/v1/cameras/streams", `{"user":"a"}`, 400},
		{"POST", "/api/v1/cameras/streams", `{"endpoint":"` + long + `x"}`, 400},
		{"POST", "/api/v1/streams/a%20b/key", ``, 400},
		{"GET", "/api/v1/streams/a%20b/key", ``, 400},
		{"POST", "/api/v1/streams/harbour/key", `{"private":"yes"}`, 400},
		{"POST", "/api/v1/streams/harbour/key", `{"key":"mine"}`, 400},
	} {
		r := request{method: c.method, path: c.path, body: c.body, cookie: admin}
		if c.status == 415 {
			r.header = map[string]string{"Content-Type": "text/plain"}
		}
		var p problem
		require.NoError(t, json.Unmarshal([]byte(f.body(t, r, c.status)), &p), "%s %s %.60s", c.method, c.path, c.body)
		require.NotEmpty(t, p.Detail)
	}
	require.Zero(t, m.count(), "the managers hear nothing of it")
}

func TestManagersRefuse(t *testing.T) {
	t.Parallel()
	f, m := withRemote(t)
	admin := f.signedIn(t)
	requests := []request{
		{method: "PUT", path: "/api/v1/sources/harbour", body: goodSource, cookie: admin},
		{method: "DELETE", path: "/api/v1/sources/harbour", cookie: admin},
		{method: "POST", path: "/api/v1/sources/test", body: goodSource, cookie: admin},
		{method: "POST", path: "/api/v1/cameras/discover", cookie: admin},
		{method: "POST", path: "/api/v1/cameras/streams", body: `{"endpoint":"x"}`, cookie: admin},
		{method: "POST", path: "/api/v1/pushes", body: `{"stream":"harbour","url":"rtmp://b/app/key"}`, cookie: admin},
		{method: "PATCH", path: "/api/v1/pushes/p1", body: `{"enabled":true}`, cookie: admin},
		{method: "DELETE", path: "/api/v1/pushes/p1", cookie: admin},
	}
	for _, r := range requests {
		m.err = &Refusal{Status: 422, Code: "wrong_password", Text: "The camera refused the password. Check it."}
		require.JSONEq(t, `{"type":"about:blank","title":"Unprocessable Entity","status":422,"code":"wrong_password","detail":"The camera refused the password. Check it."}`, f.body(t, r, 422))
		m.err = errors.New("the disk is full")
		require.NotContains(t, f.body(t, r, 500), "disk", "our own faults are for the log")
	}
}

func TestWhatIsSwitchedOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(c *Config) { c.Remote = Remote{} })
	admin := f.signedIn(t)
	for _, r := range []request{
		{path: "/api/v1/sources"},
		{method: "PUT", path: "/api/v1/sources/harbour", body: goodSource},
		{path: "/api/v1/pushes"},
		{method: "POST", path: "/api/v1/cameras/discover"},
	} {
		r.cookie = admin
		require.Contains(t, f.body(t, r, 404), codeOff)
	}
}

func TestHeavyCallsTakeTurns(t *testing.T) {
	t.Parallel()
	f, m := withRemote(t)
	admin := f.signedIn(t)
	f.times.heavy = 200 * time.Millisecond
	m.waiting = make(chan struct{})
	results := make(chan int, testsAtOnce+searchesAtOnce)
	ask := func(path, body string, most int) {
		for range most {
			go func() {
				results <- f.do(request{method: "POST", path: path, body: body, cookie: admin}).StatusCode
			}()
		}
		for range most {
			<-m.waiting
		}
		res := f.do(request{method: "POST", path: path, body: body, cookie: admin})
		require.Equal(t, http.StatusTooManyRequests, res.StatusCode)
		require.Equal(t, "5", res.Header.Get("Retry-After"))
		for range most {
			require.Equal(t, http.StatusUnprocessableEntity, <-results, "its time was over")
		}
	}
	ask("/api/v1/sources/test", goodSource, testsAtOnce)
	ask("/api/v1/cameras/discover", "{}", searchesAtOnce)
	m.waiting = nil
	f.body(t, request{method: "POST", path: "/api/v1/sources/test", body: goodSource, cookie: admin}, 200)
}

func TestKeys(t *testing.T) {
	t.Parallel()
	f, _ := withRemote(t)
	admin := f.signedIn(t)
	get := request{path: "/api/v1/streams/harbour/key", cookie: admin}
	require.Contains(t, f.body(t, get, 404), `"code":"no_key"`)
	post := request{method: "POST", path: "/api/v1/streams/harbour/key", cookie: admin}
	var first, second, shown streamKey
	require.NoError(t, json.Unmarshal([]byte(f.body(t, post, 201)), &first))
	require.NoError(t, f.auth.Bearer(t.Context(), first.Key, netip.MustParseAddr("203.0.113.9")))
	post.body = `{"private":true}`
	require.NoError(t, json.Unmarshal([]byte(f.body(t, post, 201)), &second))
	require.Error(t, f.auth.Bearer(t.Context(), first.Key, netip.MustParseAddr("203.0.113.9")), "the one before stops working")
	res := f.do(get)
	require.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	require.NoError(t, json.NewDecoder(res.Body).Decode(&shown))
	require.Equal(t, streamKey{"harbour", second.Key}, shown)
	private, err := f.auth.PrivateStreams(t.Context())
	require.NoError(t, err)
	require.True(t, private["harbour"])
}

func TestEncoderAddresses(t *testing.T) {
	t.Parallel()
	whip := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	f := newFixture(t, func(c *Config) {
		c.Media.WHIP = whip
		c.Encoders = Encoders{RTMP: 1935, RTMPS: 1936, RTSP: 8554, SRT: 8890, Transcoder: func() bool { return true }}
	})
	for host, want := range map[string]string{
		"live.example.org": `{"host":"live.example.org","rtmp":"rtmp://live.example.org:1935/live","rtmps":"rtmps://live.example.org:1936/live",
			"rtsp":"rtsp://live.example.org:8554","srt":"srt://live.example.org:8890","whip":"http://live.example.org/whip","transcoder":true,"encrypted":false}`,
		"192.0.2.1:8080": `{"host":"192.0.2.1","rtmp":"rtmp://192.0.2.1:1935/live","rtmps":"rtmps://192.0.2.1:1936/live",
			"rtsp":"rtsp://192.0.2.1:8554","srt":"srt://192.0.2.1:8890","whip":"http://192.0.2.1:8080/whip","transcoder":true,"encrypted":false}`,
		"[2001:db8::1]:8080": `{"host":"2001:db8::1","rtmp":"rtmp://[2001:db8::1]:1935/live","rtmps":"rtmps://[2001:db8::1]:1936/live",
			"rtsp":"rtsp://[2001:db8::1]:8554","srt":"srt://[2001:db8::1]:8890","whip":"http://[2001:db8::1]:8080/whip","transcoder":true,"encrypted":false}`,
	} {
		require.JSONEq(t, want, f.body(t, request{path: "/api/v1/encoders", header: map[string]string{"Host": host}}, 200))
	}
	for host, want := range map[string]string{
		"h:80": "https://h:80/whip", "h:x\"y": "https://h/whip", "h:99999": "https://h/whip", "[::1]": "https://[::1]/whip",
	} {
		b := f.body(t, request{path: "/api/v1/encoders", header: map[string]string{"Host": host, "X-Forwarded-Proto": "https"}}, 200)
		require.Contains(t, b, `"whip":"`+want+`"`)
	}
	bare := newFixture(t)
	require.JSONEq(t, `{"host":"example.com","transcoder":false,"encrypted":false}`, bare.body(t, request{path: "/api/v1/encoders"}, 200))
}
