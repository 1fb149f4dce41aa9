package doctor

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"unicode"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

func TestLinks(t *testing.T) {
	t.Parallel()
	list := parseLinks([]string{
		`<turn:[2001:db8::1]:8080?transport=tcp>; rel="ice-server"; username="a\"b"; credential="c\\d"; credential-type="password"`,
		`<https://x.example/>; rel="preload", <turns:live.example>; rel="ice-server"; username="u"; credential="p"`,
	})
	require.Equal(t, []turnServer{
		{host: "2001:db8::1", port: "8080", stream: true, username: `a"b`, password: `c\d`},
		{host: "live.example", port: "5349", secure: true, stream: true, username: "u", password: "p"},
	}, list)
	s, ok := parseTURN("turn:live.example?transport=udp")
	require.True(t, ok)
	require.Equal(t, turnServer{host: "live.example", port: "3478"}, s)
	require.Equal(t, wayTURNUDP, s.way())
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	p, err := parseAnswer(sdp("1 1 udp 5 192.0.2.1 1 typ host", "1 1 tcp 5 192.0.2.1 9 typ host tcptype active",
		"1 1 UDP 5 x.local 1 typ host", "1 1 tcp 5 2001:db8::1 2 typ host tcptype passive", "1 1 udp 5 fe80::1%eth0 2 typ host", "1", ""))
	require.NoError(t, err)
	require.Len(t, p.udp, 1)
	require.Len(t, p.tcp, 1)
	many := strings.Repeat("a=candidate:1 1 udp 5 192.0.2.1 1 typ host\r\n", 100)
	p, err = parseAnswer(sdp() + many)
	require.NoError(t, err)
	require.Len(t, p.udp, maxCandidates)
	_, err = parseAnswer(sdp())
	require.ErrorIs(t, err, errAnswer)
}

func FuzzAnswer(f *testing.F) {
	f.Add(sdp("1 1 udp 5 192.0.2.1 1 typ host"), `<turn:a:1>; username="x"; credential="y"`)
	f.Add("v=0\na=ice-ufrag:\na=ice-pwd:\n", `<turns:[::1>;<<>>`)
	f.Fuzz(func(t *testing.T, text, link string) {
		p, err := parseAnswer(text)
		if err == nil {
			require.LessOrEqual(t, len(p.udp)+len(p.tcp), maxCandidates)
			require.NotEmpty(t, p.ufrag)
		}
		for _, s := range parseLinks([]string{link}) {
			require.NotEmpty(t, s.host)
			require.NotEmpty(t, s.way())
		}
	})
}

// Whatever comes back over a connection, reading ends.
func FuzzStreams(f *testing.F) {
	f.Add([]byte("\x00\x04abcd"), uint8(0))
	f.Add([]byte("\x01\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl"), uint8(1))
	f.Add([]byte("\x81\x7e\x01\x00hello"), uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, kind uint8) {
		c := canned{r: bytes.NewReader(b)}
		buf := make([]byte, maxDatagram)
		for range len(b) + 1 {
			n, err := 0, error(nil)
			switch kind % 3 {
			case 0:
				n, err = frames{c}.Read(buf)
			case 1:
				n, err = messages{c}.Read(buf)
			default:
				_, err = readText(c)
			}
			require.LessOrEqual(t, n, len(buf))
			if err != nil {
				return
			}
		}
		t.Fatal("more was read than there is")
	})
}

// canned is a connection that says one thing and ends.
type canned struct {
	net.Conn
	r io.Reader
}

func (c canned) Read(b []byte) (int, error) { return c.r.Read(b) }

// What a hostile server says does not reach the terminal as it is.
func TestRefusalIsPrintable(t *testing.T) {
	t.Parallel()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse),
		stun.ErrorCodeAttribute{Code: 400, Reason: []byte("\x1b]0;owned\x07\r\n\u202eUDP ok\u009b2J" + strings.Repeat("x", 600))})
	require.NoError(t, err)
	var told Result
	e := examination{report: &Report{}, tell: func(r Result) { told = r }}
	e.note(e.unanswered(Result{Way: wayTURNTCP, Target: "evil\x1b[31m:1"}, refusal(m)))
	require.Equal(t, []Result{told}, e.report.Results)
	require.Less(t, len(told.Line()), 700)
	for _, r := range told.Line() {
		require.True(t, unicode.IsPrint(r), "%q", r)
	}
}
