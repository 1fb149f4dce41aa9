package redact

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parse(t testing.TB, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	require.NoError(t, err)
	return u
}

func TestURL(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, want string }{
		{"rtsp://cam/live", "rtsp://cam/live"},
		{"rtsp://admin@cam/live", "rtsp://admin@cam/live"},
		{"rtsp://admin:@cam/live", "rtsp://admin:@cam/live"},
		{"rtsp://admin:s3cr%40t@cam:554/live?channel=1&subtype=0", "rtsp://admin:***@cam:554/live?channel=1&subtype=0"},
		{"rtsp://cam/user=admin&password=tops&channel=1&stream=0.sdp", "rtsp://cam/user=admin&password=***&channel=1&stream=0.sdp"},
		{"rtsp://cam/user=admin_password=tops_channel=1_stream=0.sdp", "rtsp://cam/user=admin_password=***"},
		{"rtsp://cam/h264?user=a&Pwd=b&token=c&n=4", "rtsp://cam/h264?user=a&Pwd=***&token=***&n=4"},
	} {
		require.Equal(t, c.want, Camera().URL(parse(t, c.raw)), c.raw)
	}
	for _, c := range []struct{ raw, want string }{
		{"rtmp://live.twitch.tv/app/live_123_abc", "rtmp://live.twitch.tv/app/•••"},
		{"rtmp://live.twitch.tv/app/live_123_abc/", "rtmp://live.twitch.tv/app/•••/"},
		{"rtmps://f.com:443/rtmp/FB-1-0-A?s_bl=1&a=Abc", "rtmps://f.com:443/rtmp/•••?s_bl=•••&a=•••"},
		{"rtmp://u:p@h/app/inst/key", "rtmp://u:•••@h/app/inst/•••"},
		{"rtmp://u:@h/app/key", "rtmp://•••:@h/app/•••"},
		{"rtmp://h/live/copy?key=SECRET", "rtmp://h/live/copy?key=•••"},
		{"rtmp://h/live/copy?n=1&Token=SECRET", "rtmp://h/live/copy?n=•••&Token=•••"},
		{"rtmp://h/live/live_123_abc?key=", "rtmp://h/live/•••?key="},
		{"rtmp://h/live/0123456789abcdef?pass=x", "rtmp://h/live/•••?pass=•••"},
		{"rtmp://h/app", "rtmp://h/•••"},
		{"srt://h:8890?streamid=publish:cam:u:p&passphrase=0123456789&mode", "srt://h:8890?streamid=•••&passphrase=•••&•••"},
		{"rtsp://u:p@h/live/cam?token=x", "rtsp://u:•••@h/live/cam?token=•••"},
		{"whips://tok@h/whip/cam", "whips://•••@h/whip/•••"},
		{"https://customer.example/0123456789abcdef0123/webRTC/publish", "https://customer.example/•••/webRTC/•••"},
	} {
		u := parse(t, c.raw)
		require.Equal(t, c.want, Target(u.Scheme).URL(u), c.raw)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, text, want string }{
		{"rtmp://h/app/live_1_x", "the server refused app/live_1_x", "the server refused app/•••"},
		{"rtmp://h/app/a%20b%2Bc", `key "a b+c" (a%20b%2Bc, a+b%2Bc)`, `key "•••" (•••, •••)`},
		{"rtmp://h/app/s", "no address s, s", "no address •••, •••"},
		{"rtmp://h/app/live", "livelive alive live_1 /live", "livelive alive •••_1 /•••"},
		{"rtmp://h/app/copy?key=SECRET", "copy is no SECRET", "copy is no •••"},
		{"rtmp://h/app/x", "x is no key, exit, app/x", "••• is no key, exit, app/•••"},
		{"https://u:p4ss@h/w", "Authorization: Basic dTpwNHNz p4ss", "Authorization: Basic ••• •••"},
		{"https://h/w?token=se%22cret", `get "https://h/w?token=se%22cret": bad token "se\"cret"`, `get "https://h/w?token=•••": bad token "•••"`},
		{"rtmp://h/app/key1", "line\r\nfeed\x1b[31m key1", "line  feed [31m •••"},
		{"rtmp://h/app/key1", strings.Repeat("é", 400), strings.Repeat("é", 299) + "…"},
	} {
		u := parse(t, c.raw)
		r := Target(u.Scheme)
		require.Equal(t, c.want, r.Text(c.text, r.Secrets(u)), c.raw)
	}
	require.Empty(t, Camera().Secrets(parse(t, "rtsp://admin:***@cam/live")))
}

func TestSentence(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"The camera refuses the password. Check it.": "The camera refuses the password. Check it.",
		"A camera is busy":                           "A camera is busy.",
		`The server says: "Go away."`:                `The server says: "Go away."`,
		`The server says: "Go"`:                      `The server says: "Go".`,
		"EOF":                                        "",
		"":                                           "",
		`Post "https://x/": timeout`:                 "",
		"dial tcp: connection refused":               "",
		"RTSP 1.0 expected":                          "",
	} {
		got, ok := Sentence(text)
		require.Equal(t, want != "", ok, text)
		if ok {
			require.Equal(t, want, got)
		}
	}
}

// No secret of an address is left in what is shown of it, nor in an error that
// quotes all of it.
func FuzzURL(f *testing.F) {
	f.Add("s3cr@t", "key/with slash", "tok+en")
	f.Add("päß", "%41", "=&?")
	f.Add("", "x", "")
	f.Fuzz(func(t *testing.T, pass, key, token string) {
		u := &url.URL{
			Scheme: "rtmp", User: url.UserPassword("u", "BEGIN"+pass+"END"), Host: "h",
			RawQuery: url.Values{"sig": {"BEGIN" + token + "END"}}.Encode(),
		}
		u = u.JoinPath("app", url.PathEscape("BEGIN"+key+"END"))
		u, err := url.Parse(u.String())
		if err != nil {
			return
		}
		r := Target("rtmp")
		shown := r.URL(u) + r.Text(fmt.Sprintf("get %q: no", u.String()), r.Secrets(u))
		for _, never := range []string{"BEGIN", "END"} {
			if strings.Contains(shown, never) {
				t.Fatalf("%s", shown)
			}
		}
	})
}
