package onvif

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/netguard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStreamsOfEveryMaker(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		maker
		want  []Stream // with the path and query of the URL alone
		calls string
	}{
		"hikvision": {hikvision(), []Stream{
			{"mainStream", ":554/Streaming/Channels/101?transportmode=unicast&profile=Profile_1", "H264", 2560, 1440},
			{"subStream", ":554/Streaming/Channels/101?transportmode=unicast&profile=Profile_2", "JPEG", 640, 360},
		}, "GetSystemDateAndTime /onvif/device_service,GetCapabilities /onvif/device_service,GetProfiles /onvif/Media,GetStreamUri /onvif/Media,GetStreamUri /onvif/Media"},
		"axis": {axis(), []Stream{
			{"profile_1 h264", "PORT/onvif-media/media.amp?profile=profile_1_h264&streamtype=unicast", "H264", 1920, 1080},
		}, "GetSystemDateAndTime /onvif/device_service,GetCapabilities /onvif/device_service,GetCapabilities /onvif/device_service,GetServices /onvif/device_service,GetProfiles /onvif/services,GetStreamUri /onvif/services"},
		"reolink": {reolink(), []Stream{
			{"MainStream", "PORT/h264Preview_01_main", "", 0, 0},
		}, "GetSystemDateAndTime /onvif/device_service,GetCapabilities /onvif/device_service,GetProfiles /onvif/media_service,GetStreamUri /onvif/media_service,GetStreamUri /onvif/media_service"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cam := newCamera(t, c.maker)
			got, err := New().Streams(t.Context(), cam.server.URL, user, password)
			require.NoError(t, err)
			at, err := url.Parse(cam.server.URL)
			require.NoError(t, err)
			for i := range c.want {
				c.want[i].URL = "rtsp://" + url.UserPassword(user, password).String() + "@127.0.0.1" + strings.Replace(c.want[i].URL, "PORT", ":"+at.Port(), 1)
			}
			require.Equal(t, c.want, got)
			require.Equal(t, c.calls, strings.Join(cam.calls, ","))

			cam.tries = 0
			_, err = New().Streams(t.Context(), cam.server.URL, user, "wrong")
			require.ErrorIs(t, err, ErrPassword)
			require.LessOrEqual(t, cam.tries, 2, "a wrong password is not tried on")
			_, err = New().Streams(t.Context(), cam.server.URL, "", "")
			require.ErrorIs(t, err, ErrPassword)
		})
	}
}

func TestStreamsOfNoCamera(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"web page": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html><body>Hello<br></html>") }, ErrAnswer},
		"nothing":  {func(http.ResponseWriter, *http.Request) {}, ErrAnswer},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, ErrAnswer},
		"no profile": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `<a><Body><b><Capabilities><Media><XAddr>http://x/y</XAddr></Media></Capabilities></b></Body></a>`)
		}, ErrStreams},
		"no media":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `<a><Body><b/></Body></a>`) }, ErrAnswer},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, ErrPassword},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := io.WriteString(w, strings.Repeat("<a>", 4096)); err != nil {
					return
				}
			}
		}, ErrAnswer},
		"bad challenge": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Digest realm="x", nonce="y", algorithm=ROT13`)
			w.WriteHeader(http.StatusUnauthorized)
		}, ErrPassword},
		"evil stream": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, `<a><Body><b><Capabilities><Media><XAddr>http://x/y</XAddr></Media></Capabilities><Profiles token="a"/><MediaUri><Uri>file:///etc/passwd</Uri></MediaUri></b></Body></a>`)
		}, ErrStreams},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.answer)
			defer server.Close()
			_, err := New().Streams(t.Context(), server.URL+"/onvif/device_service", user, password)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	s := New()
	for endpoint, want := range map[string]error{
		"":                               ErrEndpoint,
		"192.168.1.20":                   ErrEndpoint,
		"rtsp://192.168.1.20/":           ErrEndpoint,
		"http:///onvif":                  ErrEndpoint,
		"http://u:p@127.0.0.1/":          ErrEndpoint,
		"http://127.0.0.1/#x":            ErrEndpoint,
		"http://1.1.1.1/onvif":           netguard.ErrRefused,
		"http://169.254.169.254/latest/": netguard.ErrRefused,
		"http://0.0.0.0/":                netguard.ErrRefused,
		"http://127.0.0.1:1/":            syscall.ECONNREFUSED,
	} {
		_, err := s.Streams(t.Context(), endpoint, user, password)
		require.ErrorIs(t, err, want, endpoint)
		require.NotContains(t, err.Error(), "geheim")
	}
	_, err := s.Streams(t.Context(), "http://127.0.0.1:1/", user, strings.Repeat("x", 1000))
	require.ErrorIs(t, err, ErrPassword)
}

// onLoopback is a Scout that searches there.
func onLoopback(to netip.AddrPort) *Scout {
	s := New()
	s.to = to
	s.from = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil }
	return s
}

func TestDiscover(t *testing.T) {
	t.Parallel()
	to, asked := responder(t,
		strings.ReplaceAll(hikvision().match, "%[1]s", own), strings.ReplaceAll(axis().match, "%[1]s", own+":8080"), strings.ReplaceAll(reolink().match, "%[1]s", own+":8000"),
		"garbage", "<a/>", strings.Repeat("<a>", 5000),
		`<a><Body><ProbeMatches><ProbeMatch><XAddrs>file:///etc/passwd http://%zz</XAddrs></ProbeMatch></ProbeMatches></Body></a>`,
		`<a><Body><ProbeMatches><ProbeMatch><XAddrs>http://169.254.169.254:8001/latest?x=y</XAddrs></ProbeMatch></ProbeMatches></Body></a>`)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(700*time.Millisecond, cancel) // the question is put twice within
	cameras, err := onLoopback(to).Discover(ctx, time.Minute)
	require.NoError(t, err)
	const at = "127.0.0.1"
	require.ElementsMatch(t, []Camera{
		{"HIKVISION DS-2CD2043G0-I", at, "http://127.0.0.1/onvif/device_service"},
		{"IPC-BO RLC-410??", at, "http://127.0.0.1:8000/onvif/device_service"},
		{at, at, "http://127.0.0.1:8001/latest"},
		{"AXIS M3045-V", at, "http://127.0.0.1:8080/onvif/device_service"},
	}, cameras)
	questions := asked()
	require.Len(t, questions, 4)
	require.Contains(t, questions[0], "dn:NetworkVideoTransmitter<")
	require.Contains(t, questions[1], "tds:Device<")
	for _, q := range questions {
		require.NoError(t, xml.Unmarshal([]byte(q), new(struct{})))
	}
}

func TestDiscoverIsBounded(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 400 {
		many = append(many, strings.ReplaceAll(hikvision().match, "%[1]s", fmt.Sprintf("%s:%d", own, 1000+i)))
	}
	to, _ := responder(t, many...)
	s := onLoopback(to)
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	busy := make(chan error)
	go func() {
		for len(s.searches) == 0 {
			time.Sleep(time.Millisecond)
		}
		_, err := s.Discover(ctx, time.Second)
		busy <- err
	}()
	cameras, err := s.Discover(ctx, time.Minute)
	require.NoError(t, err)
	require.LessOrEqual(t, len(cameras), maxCameras)
	require.NotEmpty(t, cameras)
	require.ErrorIs(t, <-busy, ErrBusy)
}

func TestDiscoverSaysWhenNoNetworkCanBeAsked(t *testing.T) {
	t.Parallel()
	s := New()
	s.from = func() ([]netip.Addr, error) { return []netip.Addr{netip.MustParseAddr("192.0.2.1")}, nil }
	_, err := s.Discover(t.Context(), time.Second)
	require.ErrorIs(t, err, syscall.EADDRNOTAVAIL)
	s.from = func() ([]netip.Addr, error) { return nil, errors.New("no netlink") }
	_, err = s.Discover(t.Context(), time.Second)
	require.ErrorContains(t, err, "netlink")
	s.from = func() ([]netip.Addr, error) { return nil, nil }
	cameras, err := s.Discover(t.Context(), time.Second)
	require.NoError(t, err)
	require.Empty(t, cameras)
}

func TestAddressesAreOfNetworksThatCarryASearch(t *testing.T) {
	t.Parallel()
	list, err := addresses()
	require.NoError(t, err)
	for _, a := range list {
		require.True(t, a.Is4() && !a.IsLoopback(), "%s", a)
	}
}

func TestParseChallenge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		header string
		want   *challenge
	}{
		{`Basic realm="x"`, nil},
		{`Digest`, nil},
		{`Digest realm="x"`, nil},
		{`digest realm="a, b", nonce="c", qop="auth-int, auth", opaque=d`, &challenge{realm: "a, b", nonce: "c", opaque: "d", algorithm: "MD5", qop: true}},
		{`Digest nonce="c", algorithm=SHA-256, qop="auth-int"`, &challenge{nonce: "c", algorithm: "SHA-256"}},
		{`Digest nonce="c", algorithm=MD5-sess`, nil},
		{`Digest nonce="` + strings.Repeat("x", 2000) + `"`, nil},
	} {
		require.Equal(t, c.want, parseChallenge([]string{"Negotiate", c.header}), c.header)
	}
}

// The example of RFC 7616, section 3.9.1, with its client nonce cut off.
func TestAuthorization(t *testing.T) {
	t.Parallel()
	c := &challenge{realm: "r", nonce: "n", algorithm: "MD5"}
	require.Equal(t,
		`Digest username="u\"x", realm="r", nonce="n", uri="/p", algorithm=MD5, response="`, strings.TrimRight(c.authorization("POST", "/p", "u\"\r\nx", "p"), `0123456789abcdef"`)+`"`)
}

func FuzzMatch(f *testing.F) {
	for _, m := range []maker{hikvision(), axis(), reolink()} {
		f.Add([]byte(strings.ReplaceAll(m.match, "%[1]s", own)))
	}
	f.Add([]byte(`<?xml version="1.0" encoding="x"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`))
	from := netip.MustParseAddr("fe80::1%eth0")
	f.Fuzz(func(t *testing.T, reply []byte) {
		c, ok := parseMatch(reply, from)
		if !ok {
			return
		}
		u, err := url.Parse(c.Endpoint)
		if err != nil || u.Hostname() != from.String() || len([]rune(c.Name)) > maxName || c.Name == "" {
			t.Fatalf("%+v %v", c, err)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	for _, m := range []maker{hikvision(), axis(), reolink()} {
		for _, s := range []string{m.clock, m.capabilities, m.services, m.profiles, m.uri, m.denied} {
			f.Add([]byte(s))
		}
	}
	s := &session{endpoint: &url.URL{Scheme: "http", Host: "192.168.1.20"}, user: user, password: password}
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer struct {
			Profiles []profile
			URI      string `xml:"MediaUri>Uri"`
		}
		err := understand(&http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(string(body)))}, &answer)
		if err != nil {
			return
		}
		if address, ok := s.address(answer.URI); ok {
			u, err := url.Parse(address)
			if err != nil || u.Hostname() != "192.168.1.20" || u.User.Username() != user {
				t.Fatalf("%q %v", address, err)
			}
		}
		for _, p := range answer.Profiles {
			if st := p.stream(""); len([]rune(st.Name)) > maxName || st.Width < 0 {
				t.Fatalf("%+v", st)
			}
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add(`Digest realm="a, b", nonce="c", qop="auth-int, auth", opaque=d`)
	f.Add(`Digest nonce="\"", algorithm=SHA-256`)
	f.Fuzz(func(t *testing.T, header string) {
		if c := parseChallenge([]string{header}); c != nil {
			h := http.Header{"Authorization": {c.authorization("POST", "/", user, password)}}
			if strings.Contains(h.Get("Authorization"), password) {
				t.Fatal("the password is in the header")
			}
		}
	})
}
