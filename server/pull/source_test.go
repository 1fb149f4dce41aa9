package pull

import (
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAddresses(t *testing.T) {
	t.Parallel()
	for raw, ok := range map[string]bool{
		"rtsp://cam":                               true,
		"rtsps://cam:8322/a/b?channel=1":           true,
		"rtsp://user:p%40ss@[fe80::1%25eth0]:554/": true,
		"rtsp://user:p@ss@cam/":                    true, // only one reading
		"rtsp://cam/user=a&password=b&channel=1":   true,
		"":                                         false,
		"cam":                                      false,
		"http://cam/":                              false,
		"rtsp:cam":                                 false,
		"rtsp:///path":                             false,
		"rtsp://:554/path":                         false,
		"rtsp://cam:0/":                            false,
		"rtsp://cam:99999999/":                     true, // fails when dialled
		"rtsp://user:pa#ss@cam/":                   false,
		"rtsp://user:12/34@cam/":                   false,
		"rtsp://user:12?34@cam/":                   false,
		"rtsp://user:p%ss@cam/":                    false,
		"rtsp://cam/\r\nX: y":                      false,
		"rtsp://cam/#fragment":                     false,
		"rtsp://cam/" + strings.Repeat("a", maxURL): false,
		"file:///etc/passwd":                        false,
	} {
		_, err := parse(raw)
		require.Equal(t, ok, err == nil, "%s: %v", raw, err)
		if err != nil {
			require.ErrorIs(t, err, ErrURL)
			require.NotContains(t, err.Error(), "34")
		}
	}
}

func TestMaskedSecretsComeBackOnlyToTheirHost(t *testing.T) {
	t.Parallel()
	const old = "rtsp://admin:geheim@cam:554/live?token=abc"
	for raw, want := range map[string]string{
		"rtsp://admin:***@cam:554/live?token=***":  old,
		"rtsp://admin:***@cam:554/other":           "rtsp://admin:geheim@cam:554/other",
		"rtsp://admin:***@CAM:554/other":           "rtsp://admin:geheim@CAM:554/other",
		"rtsp://admin:neu@cam:554/live":            "rtsp://admin:neu@cam:554/live",
		"rtsp://evil/live":                         "rtsp://evil/live",
		"rtsp://admin:***@evil:554/live?token=***": "",
		"rtsp://admin:***@evil/live":               "",
		"rtsp://admin:***@cam:555/live":            "",
		"rtsps://admin:***@cam:554/live":           "",
		"rtsp://root:***@cam:554/live":             "",
		"rtsp://admin:***@cam:554/other?token=***": "",
		"rtsp://admin:neu@cam:554/live?token=***":  "",
		"rtsp://admin:***@cam:554@evil/live":       "",
	} {
		got, err := unmasked(raw, old)
		require.Equal(t, want, got, raw)
		require.Equal(t, want == "", err != nil, raw)
	}
	_, err := unmasked("rtsp://admin:***@cam/live", "")
	require.ErrorIs(t, err, ErrMasked)
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	fixed := Source{Stream: "fixed", URL: "rtsp://u:geheim@c/"}
	h := newHouse(t, fine, fixed)
	good := Source{Stream: "cam", URL: "rtsp://u:geheim@c/"}
	for _, c := range []struct {
		change func(*Source)
		admin  bool
		want   error
	}{
		{func(s *Source) { s.Stream = "../x" }, true, auth.ErrName},
		{func(s *Source) { s.URL = "ftp://c" }, true, ErrURL},
		{func(s *Source) { s.URL = "rtsp://u:***@c/" }, true, ErrMasked},
		{func(s *Source) { s.Transport = "sctp" }, true, ErrTransport},
		{func(s *Source) { s.When = "sometimes" }, true, ErrWhen},
		{func(s *Source) { s.Private = true }, false, ErrAdmin},
		{func(s *Source) { s.Stream = "fixed" }, true, ErrFixed},
	} {
		s := good
		c.change(&s)
		_, _, err := h.Put(t.Context(), s, c.admin)
		require.ErrorIs(t, err, c.want)
		require.NotContains(t, err.Error(), "geheim")
	}
	for raw, private := range map[string]bool{
		"rtsp://u:geheim@127.0.0.1:8554/": false,
		"rtsp://u:geheim@LocalHost/":      false,
		"rtsp://u:geheim@[::1]/":          false,
		"rtsp://u:geheim@192.168.1.20/":   false,
		"rtsp://u:geheim@169.254.169.254": true,
	} {
		_, _, err := h.Put(t.Context(), Source{Stream: "cam", URL: raw, Private: private}, true)
		var state *StateError
		require.ErrorAs(t, err, &state, raw)
		require.Equal(t, Refused, state.State)
		require.NotContains(t, err.Error(), "geheim")
		require.Equal(t, private, strings.Contains(state.Text, "belongs to no camera"), state.Text)
	}
	require.ErrorIs(t, h.Delete(t.Context(), "fixed"), ErrFixed)
	require.ErrorIs(t, h.Delete(t.Context(), "none"), ErrNotFound)

	h.memory.fail = errors.New("disk full")
	_, _, err := h.Put(t.Context(), good, false)
	require.ErrorIs(t, err, h.memory.fail)
	require.Len(t, h.List(), 1)
}

func TestSourcesAreKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fine)
	for _, s := range []Source{{Stream: "b", URL: "rtsp://u:geheim@c/", When: "watched", Transport: "udp"}, {Stream: "a", URL: "rtsp://c/", Private: true}} {
		i, created, err := h.Put(t.Context(), s, true)
		require.NoError(t, err)
		require.True(t, created)
		require.NotContains(t, i.URL, "geheim")
		_, created, err = h.Put(t.Context(), s, true)
		require.NoError(t, err)
		require.False(t, created)
	}
	h.memory.docs["broken"] = []byte(`{"url":`)
	h.memory.docs["bad"] = []byte(`{"url":"http://x"}`)

	again := h.manager(Source{Stream: "fixed", URL: "rtsp://c/"}, Source{Stream: "a", URL: "rtsp://d/"}).List()
	require.Len(t, again, 3)
	require.Equal(t, []string{"a", "b", "fixed"}, []string{again[0].Stream, again[1].Stream, again[2].Stream})
	require.Equal(t, "rtsp://d/", again[0].URL, "the settings win")
	require.Equal(t, "rtsp://u:***@c/", again[1].URL)
	require.Equal(t, Waiting, again[1].State)
	require.True(t, again[2].Fixed)
	require.Len(t, h.memory.docs, 4, "what cannot be read is left alone")

	require.NoError(t, h.Delete(t.Context(), "b"))
	require.NotContains(t, h.memory.docs, "b")
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Config{})
	require.ErrorIs(t, err, ErrConfig)
	h := newHouse(t, fine)
	bad := h.cfg
	bad.Fixed = []Source{{Stream: "x", URL: "rtsp://u:geheim@/"}}
	_, err = New(t.Context(), bad)
	require.ErrorIs(t, err, ErrURL)
	require.NotContains(t, err.Error(), "geheim")
	h.memory.fail = errors.New("disk")
	_, err = New(t.Context(), h.cfg)
	require.ErrorIs(t, err, h.memory.fail)
}

func TestProbe(t *testing.T) {
	t.Parallel()
	h := newHouse(t, fine)
	tracks, err := h.Test(t.Context(), Source{URL: "rtsp://c/"}, false)
	require.NoError(t, err)
	require.Equal(t, []Track{{Kind: "video", Codec: "H264"}}, tracks)

	_, err = h.Test(t.Context(), Source{URL: "rtsp://c/", Private: true}, false)
	require.ErrorIs(t, err, ErrAdmin)
	_, err = h.Test(t.Context(), Source{URL: "rtsp://u:***@c/"}, false)
	require.ErrorIs(t, err, ErrMasked)

	h.cameras.answer = func(_ int, r Request) error {
		require.Equal(t, "rtsp://u:geheim@c/", r.URL.String())
		return ErrPassword
	}
	_, _, err = h.Put(t.Context(), Source{Stream: "cam", URL: "rtsp://u:geheim@c/"}, false)
	require.NoError(t, err)
	_, err = h.Test(t.Context(), Source{Stream: "cam", URL: "rtsp://u:***@c/"}, false)
	var state *StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, WrongPassword, state.State)

	h.cameras.answer = func(int, Request) error { panic("bytes") }
	_, err = h.Test(t.Context(), Source{URL: "rtsp://c/"}, false)
	require.ErrorAs(t, err, &state)
	require.Equal(t, Unreachable, state.State)
}

// The dialler that a request gets is the one that its source may have.
func TestPrivateAddressesNeedAnAdmin(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	h := newHouse(t, func(_ int, r Request) error {
		conn, err := r.Dial(t.Context(), "tcp", r.URL.Host)
		if err != nil {
			return err
		}
		return conn.Close()
	})
	url := "rtsp://" + ln.Addr().String() + "/"
	_, err = h.Test(t.Context(), Source{URL: url}, true)
	var state *StateError
	require.ErrorAs(t, err, &state)
	require.Equal(t, Refused, state.State)
	require.Contains(t, state.Text, "An admin can allow")
	_, err = h.Test(t.Context(), Source{URL: url, Private: true}, true)
	require.NoError(t, err)
	require.False(t, errors.Is(err, netguard.ErrRefused))
}

// An address that came back masked leads to no other host than the stored one
// with the stored password.
func FuzzUnmasked(f *testing.F) {
	const old = "rtsp://admin:geheim@cam:554/live"
	f.Add("rtsp://admin:***@cam:554/live")
	f.Add("rtsp://admin:***@evil/live")
	f.Add("rtsp://admin:***@cam:554@evil/?a=***")
	f.Add("rtsp://admin:%2A%2A%2A@cam:554/")
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := unmasked(raw, old)
		if err != nil || !strings.Contains(got, "geheim") || strings.Contains(raw, "geheim") {
			return
		}
		u, err := parse(got)
		if err != nil || !strings.EqualFold(u.Host, "cam:554") || u.Scheme != "rtsp" || strings.Contains(redact.Camera().URL(u), "geheim") {
			t.Fatalf("%q became %q", raw, got)
		}
	})
}
