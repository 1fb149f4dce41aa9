package app_test

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// offered is the offer of a publisher that comes by UDP.
func (l *live) offered(t *testing.T) string {
	t.Helper()
	pc := ways()[0].client(t, l)
	_, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeVideo, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	offer, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	return offer.SDP
}

// ask sends a request to the server and returns the answer.
func (l *live) ask(t *testing.T, method, url, kind, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	res, err := l.client().Do(req)
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res, string(b)
}

// count reads a number of the server.
func (l *live) count(t *testing.T, name string) int {
	t.Helper()
	_, all := l.get(t, "/metrics")
	found := regexp.MustCompile(`(?m)^` + name + ` (\d+)$`).FindStringSubmatch(all)
	require.NotNil(t, found, name)
	n, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return n
}

// canaries are sockets of this machine that nobody has a reason to write to.
type canaries struct {
	udp []*net.UDPConn
	tcp *net.TCPListener
}

func hang(t *testing.T) canaries {
	t.Helper()
	var all canaries
	for range 4 {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		all.udp = append(all.udp, c)
	}
	var err error
	all.tcp, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = all.tcp.Close() })
	return all
}

// candidates names the canaries again and again, in all the ways there are.
func (c canaries) candidates(n int) (lines []string) {
	for i := range n {
		at := c.udp[i%len(c.udp)].LocalAddr().(*net.UDPAddr).Port
		passive := c.tcp.Addr().(*net.TCPAddr).Port
		lines = append(lines, []string{
			fmt.Sprintf("a=candidate:%d 1 udp %d 127.0.0.1 %d typ host", i, 1<<30-i, at),
			fmt.Sprintf("a=candidate:%d 1 udp %d 127.0.0.1 %d typ srflx raddr 0.0.0.0 rport 9", i, 1<<30-i, at),
			fmt.Sprintf("a=candidate:%d 1 udp %d ::ffff:127.0.0.1 %d typ relay raddr ::1 rport 9", i, 1<<30-i, at),
			fmt.Sprintf("a=candidate:%d 1 tcp %d 127.0.0.1 %d typ host tcptype passive", i, 1<<30-i, passive),
		}[i%4])
	}
	return lines
}

// heard says what came to one of them.
func (c canaries) heard(t *testing.T) {
	t.Helper()
	b := make([]byte, 2000)
	for _, u := range c.udp {
		require.NoError(t, u.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		n, from, err := u.ReadFrom(b)
		require.ErrorContains(t, err, "timeout", "%v: %q", from, b[:n])
	}
	require.NoError(t, c.tcp.SetDeadline(time.Now().Add(10*time.Millisecond)))
	_, err := c.tcp.Accept()
	require.ErrorContains(t, err, "timeout")
}

// Hundreds of candidates in an offer and after it, for other people's sockets:
// nothing is sent there, neither at once nor while others publish and watch.
func TestThreat_T5_CandidateSpray(t *testing.T) {
	t.Parallel()
	l := hospitable(t)
	birds := hang(t)
	offer := l.offered(t)
	for _, path := range []string{"/whip/", "/whep/"} {
		offered := offer
		stream := rand.Text()
		if path == "/whep/" {
			stream = "live"
			l.publish(t, ways()[0].client(t, l), stream)
			l.watch(t, ways()[0].client(t, l), stream)
			offered = strings.ReplaceAll(offer, "a=sendonly", "a=recvonly")
		}
		res, answer := l.ask(t, "POST", l.url+path+stream, "application/sdp", offered+strings.Join(birds.candidates(500), "\r\n")+"\r\n")
		require.Equal(t, http.StatusCreated, res.StatusCode, answer)
		fragment := "a=ice-ufrag:" + field(t, offer, "a=ice-ufrag:") + "\r\na=ice-pwd:" + field(t, offer, "a=ice-pwd:") +
			"\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n" + strings.Join(birds.candidates(100), "\r\n") + "\r\n"
		patched, body := l.ask(t, "PATCH", l.url+res.Header.Get("Location"), "application/trickle-ice-sdpfrag", fragment)
		require.Contains(t, []int{http.StatusNoContent, http.StatusPreconditionRequired}, patched.StatusCode, body)
	}
	birds.heard(t)
}

// hospitable starts a server on which everybody may publish.
func hospitable(t *testing.T) *live {
	t.Helper()
	set := settings(t.TempDir())
	set.Open = true
	l := start(t, set)
	l.hospitable(t)
	return l
}

// hospitable waits until one may publish: the server listens a moment before.
func (l *live) hospitable(t *testing.T) {
	t.Helper()
	offer := l.offered(t)
	require.Eventually(t, func() bool {
		res, err := l.client().Post(l.url+"/whip/first", "application/sdp", strings.NewReader(offer))
		if err != nil {
			return false
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		return res.StatusCode == http.StatusCreated
	}, patience, 20*time.Millisecond)
}

// field returns what follows a beginning, to the end of its line.
func field(t *testing.T, text, begin string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, begin)
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// Names that only multicast could resolve are left alone, and what a publisher
// says of its addresses is told to nobody.
func TestThreat_T6_LocalNames(t *testing.T) {
	t.Parallel()
	l := hospitable(t)
	name, secret := strings.ToLower(rand.Text()), "203.0.113.77"
	questions := multicast(t)
	offer := l.offered(t)
	candidates := fmt.Sprintf("a=candidate:1 1 udp 1 %s.local 5000 typ host\r\na=candidate:2 1 udp 2 %s 5000 typ host\r\n", name, secret)
	res, answer := l.ask(t, "POST", l.url+"/whip/hidden", "application/sdp", offer+candidates)
	require.Equal(t, http.StatusCreated, res.StatusCode, answer)
	require.NotContains(t, answer, secret)
	require.NotContains(t, answer, name)

	l.publish(t, ways()[0].client(t, l), "seen")
	l.watch(t, ways()[0].client(t, l), "seen") // by now whatever was begun is done
	watching := strings.ReplaceAll(offer, "a=sendonly", "a=recvonly")
	_, shown := l.ask(t, "POST", l.url+"/whep/seen", "application/sdp", watching+candidates)
	_, streams := l.get(t, "/api/v1/streams")
	for _, told := range []string{shown, streams, l.logs.String()} {
		require.NotContains(t, told, name)
		require.NotContains(t, told, secret)
	}
	for _, c := range questions {
		b := make([]byte, 9000)
		require.NoError(t, c.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		for {
			n, _, err := c.ReadFrom(b)
			if err != nil {
				break
			}
			require.NotContains(t, strings.ToLower(string(b[:n])), name)
		}
	}
}

// multicast listens to the questions of mDNS on every network there is.
func multicast(t *testing.T) (all []*net.UDPConn) {
	t.Helper()
	interfaces, err := net.Interfaces()
	require.NoError(t, err)
	for _, i := range interfaces {
		c, err := net.ListenMulticastUDP("udp4", &i, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
		if err != nil {
			t.Logf("not heard on %s: %v", i.Name, err)
			continue
		}
		t.Cleanup(func() { _ = c.Close() })
		all = append(all, c)
	}
	return all
}

// A check without the session's password gets no answer and gives no address,
// and what comes from an address that has proved nothing is dropped.
func TestThreat_T7_ForgedChecks(t *testing.T) {
	t.Parallel()
	l := hospitable(t)
	_, answer := l.ask(t, "POST", l.url+"/whip/stream", "application/sdp", l.offered(t))
	ufrag, password := field(t, answer, "a=ice-ufrag:"), field(t, answer, "a=ice-pwd:")
	require.GreaterOrEqual(t, len(ufrag), 12, "a character has 5 bits")
	require.GreaterOrEqual(t, len(password), 26)
	_, host, _ := strings.Cut(l.url, "//")
	c, err := net.Dial("udp4", host)
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))

	check := func(name, password string) *stun.Message {
		m := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(name+":them"),
			stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.NewShortTermIntegrity(password), stun.Fingerprint)
		_, err := c.Write(m.Raw)
		require.NoError(t, err)
		return m
	}
	check(ufrag, "not the password of the session")
	check("somebodyelse", password)
	_, err = c.Write([]byte("\x80\x60media"))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return l.count(t, "heliograph_port_udp_unknown_total") == 2 }, patience, 5*time.Millisecond)
	want := check(ufrag, password)
	b := make([]byte, 1500)
	n, err := c.Read(b)
	require.NoError(t, err)
	m := &stun.Message{Raw: b[:n]}
	require.NoError(t, m.Decode())
	require.Equal(t, want.TransactionID, m.TransactionID, "the first answer is this one's")
	require.Equal(t, stun.BindingSuccess, m.Type)
}

// The credentials of a session that has ended are of no more use, not even for
// what was allocated with them.
func TestThreat_T2_CredentialsEndWithTheirSession(t *testing.T) {
	t.Parallel()
	l := hospitable(t)
	res, _ := l.ask(t, "POST", l.url+"/whip/stream", "application/sdp", l.offered(t))
	link := iceServer.FindStringSubmatch(strings.Join(res.Header.Values("Link"), ","))
	require.NotNil(t, link)
	client := func(network string) *allocator {
		return (&allocator{t: t, user: link[2], password: link[3]}).dial(network, l)
	}
	over := map[string]*allocator{"udp4": client("udp4"), "tcp4": client("tcp4")}
	for _, c := range over {
		require.Zero(t, c.signed(stun.MethodAllocate))
		require.Zero(t, c.signed(stun.MethodRefresh))
	}
	require.Equal(t, 2, l.count(t, "heliograph_turn_allocations"))
	ended, _ := l.ask(t, "DELETE", l.url+res.Header.Get("Location"), "", "")
	require.Equal(t, http.StatusOK, ended.StatusCode)
	require.Eventually(t, func() bool { return l.count(t, "heliograph_turn_allocations") == 0 }, patience, 5*time.Millisecond)
	require.Equal(t, stun.CodeUnauthorized, over["udp4"].signed(stun.MethodRefresh))
	_, err := io.Copy(io.Discard, over["tcp4"].conn)
	require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection is closed")
	for network := range over {
		require.Equal(t, stun.CodeUnauthorized, client(network).signed(stun.MethodAllocate), network)
	}
}

// allocator is a TURN client that does no more than the first steps.
type allocator struct {
	t              *testing.T
	conn           net.Conn
	user, password string
	realm          stun.Realm
	nonce          stun.Nonce
}

func (a *allocator) dial(network string, l *live) *allocator {
	a.t.Helper()
	c, err := net.Dial(network, strings.TrimPrefix(l.url, "http://"))
	require.NoError(a.t, err)
	a.t.Cleanup(func() { _ = c.Close() })
	require.NoError(a.t, c.SetDeadline(time.Now().Add(patience)))
	a.conn = c
	return a
}

// signed sends a request with the credential and returns the error code, 0 for
// none.
func (a *allocator) signed(method stun.Method) stun.ErrorCode {
	a.t.Helper()
	kind := stun.NewType(method, stun.ClassRequest)
	udp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	if a.nonce == nil {
		require.NoError(a.t, a.exchange(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), udp).Parse(&a.realm, &a.nonce))
	}
	m := a.exchange(stun.TransactionID, kind, udp, stun.NewUsername(a.user), a.realm, a.nonce,
		stun.NewLongTermIntegrity(a.user, a.realm.String(), a.password))
	var code stun.ErrorCodeAttribute
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	require.NoError(a.t, code.GetFrom(m))
	return code.Code
}

// exchange sends a request and returns the answer.
func (a *allocator) exchange(setters ...stun.Setter) *stun.Message {
	a.t.Helper()
	_, err := a.conn.Write(stun.MustBuild(setters...).Raw)
	require.NoError(a.t, err)
	b := make([]byte, 1500)
	n, err := a.conn.Read(b)
	require.NoError(a.t, err)
	m := &stun.Message{Raw: b[:n]}
	require.NoError(a.t, m.Decode())
	return m
}
