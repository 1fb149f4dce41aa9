package reach

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/sdp/v3"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 10 * time.Second

// bench is a door on a port of its own.
type bench struct {
	door    *Door
	port    *port.Port
	mu      sync.Mutex
	revoked []string
	stop    func()
}

func newBench(t *testing.T, short time.Duration) *bench {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	b := &bench{port: p}
	b.door = New(Config{
		Port: p,
		Links: func(h http.Header, holder, host string) {
			h.Add("Link", fmt.Sprintf("<turn:%s>; rel=\"ice-server\"; username=%q", host, holder))
		},
		Revoke: func(holder string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.revoked = append(b.revoked, holder)
		},
	})
	if short > 0 {
		b.door.life = short
	}
	ctx, cancel := context.WithCancel(t.Context())
	var parts sync.WaitGroup
	parts.Go(func() { _ = p.Run(ctx) })
	parts.Go(func() { _ = b.door.Run(ctx) })
	b.stop = sync.OnceFunc(func() {
		cancel()
		parts.Wait()
	})
	t.Cleanup(b.stop)
	require.Eventually(t, b.isOpen, patience, time.Millisecond)
	return b
}

func (b *bench) isOpen() bool {
	b.door.mu.Lock()
	defer b.door.mu.Unlock()
	return b.door.open
}

func (b *bench) open() int {
	b.door.mu.Lock()
	defer b.door.mu.Unlock()
	return len(b.door.tests)
}

// post sends an offer as a client with an address.
func (b *bench) post(from, body string) *http.Response {
	r := httptest.NewRequest(http.MethodPost, "http://live.example/reach", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/sdp; charset=utf-8")
	r.RemoteAddr = from
	w := httptest.NewRecorder()
	b.door.ServeHTTP(w, r)
	return w.Result()
}

func code(t *testing.T, res *http.Response) string {
	t.Helper()
	var p problem
	require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"))
	require.NoError(t, json.NewDecoder(res.Body).Decode(&p))
	require.Equal(t, res.StatusCode, p.Status)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.Title)
	return p.Code
}

const dataOffer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n" +
	"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:them\r\na=ice-pwd:password-of-theirs\r\n"

// credentialsOf reads ours from an answer.
func credentialsOf(t *testing.T, res *http.Response) (ufrag, password string, candidates []string) {
	t.Helper()
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Equal(t, typeSDP, res.Header.Get("Content-Type"))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	var d sdp.SessionDescription
	require.NoError(t, d.UnmarshalString(string(body)))
	m := d.MediaDescriptions[0]
	ufrag, _ = m.Attribute("ice-ufrag")
	password, _ = m.Attribute("ice-pwd")
	for _, a := range m.Attributes {
		if a.Key == "candidate" {
			candidates = append(candidates, a.Value)
		}
	}
	return ufrag, password, candidates
}

// A browser's ICE connects by each way, taken alone.
func TestWays(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for _, network := range []ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeTCP4} {
		t.Run(network.String(), func(t *testing.T) {
			t.Parallel()
			agent, err := ice.NewAgentWithOptions(ice.WithNetworkTypes([]ice.NetworkType{network}), ice.WithIncludeLoopback())
			require.NoError(t, err)
			defer func() { require.NoError(t, agent.Close()) }()
			require.NoError(t, agent.OnCandidate(func(ice.Candidate) {}))
			require.NoError(t, agent.GatherCandidates())
			ufrag, password, candidates := credentialsOf(t, b.post("127.0.0.1:1", dataOffer))
			for _, text := range candidates {
				c, err := ice.UnmarshalCandidate(text)
				require.NoError(t, err)
				if c.NetworkType() == network {
					require.NoError(t, agent.AddRemoteCandidate(c))
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			conn, err := agent.Dial(ctx, ufrag, password)
			require.NoError(t, err)
			require.NoError(t, conn.Close())
		})
	}
}

// What a real offer becomes is an answer that a real peer takes.
func TestAnswerIsTaken(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	require.NoError(t, err)
	defer func() { require.NoError(t, pc.Close()) }()
	_, err = pc.CreateDataChannel("reach", nil)
	require.NoError(t, err)
	o, err := pc.CreateOffer(nil)
	require.NoError(t, err)
	require.NoError(t, pc.SetLocalDescription(o))
	res := b.post("192.0.2.1:5", o.SDP)
	require.Equal(t, http.StatusCreated, res.StatusCode)
	require.Contains(t, res.Header.Get("Link"), "<turn:live.example>")
	require.Equal(t, "*", res.Header.Get("Access-Control-Allow-Origin"))
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: string(body)}))
}

// exchange sends a datagram and waits for one, until none is expected.
func exchange(t *testing.T, to netip.AddrPort, b []byte) *stun.Message {
	t.Helper()
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Write(b)
	require.NoError(t, err)
	// What has no ufrag is answered by the port: when that answer comes, ours would have.
	_, err = c.Write(stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw)
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 1500)
	n, err := c.Read(buf)
	require.NoError(t, err)
	m := &stun.Message{Raw: buf[:n]}
	require.NoError(t, m.Decode())
	return m
}

func check(ufrag, password string) []byte {
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag+":them"),
		stun.NewShortTermIntegrity(password), stun.Fingerprint).Raw
}

func TestOnlyProvenChecksAreAnswered(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	ufrag, password, _ := credentialsOf(t, b.post("192.0.2.1:5", dataOffer))
	ours := b.port.Announced()[0]
	require.True(t, exchange(t, ours, check(ufrag, password)).Contains(stun.AttrMessageIntegrity))
	require.False(t, exchange(t, ours, check(ufrag, "guessed")).Contains(stun.AttrMessageIntegrity))
	test := b.door.tests[0]
	test.answers.Store(maxAnswers)
	require.False(t, exchange(t, ours, check(ufrag, password)).Contains(stun.AttrMessageIntegrity), "so much and no more")
	for _, junk := range [][]byte{nil, {0}, {20, 254, 253}, {128, 96}, check(ufrag, password)[:30]} {
		test.Receive(junk, netip.MustParseAddrPort("192.0.2.1:5"))
	}
}

func TestTestsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, 50*time.Millisecond)
	ufrag, password, _ := credentialsOf(t, b.post("192.0.2.1:5", dataOffer))
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.revoked) == 1
	}, patience, time.Millisecond)
	require.Zero(t, b.open())
	require.Empty(t, b.door.networks)
	require.False(t, exchange(t, b.port.Announced()[0], check(ufrag, password)).Contains(stun.AttrMessageIntegrity))
	b.stop()
	require.Equal(t, "shutdown", code(t, b.post("192.0.2.1:5", dataOffer)))
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	refused := 0
	for range 100 { // from one /64
		res := b.post("[2001:db8::1]:5", dataOffer)
		if res.StatusCode == http.StatusTooManyRequests {
			require.Equal(t, "2", res.Header.Get("Retry-After"))
			require.Equal(t, "throttled", code(t, res))
			refused++
		}
	}
	require.NotZero(t, refused, "a rate")
	var last error
	for range maxPerNetwork + 1 {
		_, last = b.door.begin(netip.MustParseAddr("2001:db8::2"))
	}
	require.ErrorIs(t, last, errTooMany)
	require.LessOrEqual(t, b.open(), maxPerNetwork)
	for i := range maxTests + 10 { // a flood from everywhere
		_, err := b.door.begin(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
		require.NoError(t, err)
	}
	require.Equal(t, maxTests, b.open(), "the oldest have made room")
	b.stop()
	require.Zero(t, b.open())
	require.Empty(t, b.door.networks)
}

func TestWrongRequests(t *testing.T) {
	t.Parallel()
	b := newBench(t, 0)
	for _, c := range []struct{ name, offer, code string }{
		{"nothing", "", "bad_request"},
		{"no SDP", "hello", "bad_request"},
		{"video", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n", "bad_request"},
		{"a lite peer", dataOffer + "a=ice-lite\r\n", "bad_request"},
		{"a long line", dataOffer + "a=" + strings.Repeat("x", maxLine) + "\r\n", "bad_request"},
		{"many sections", dataOffer + strings.Repeat("m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n", maxSections), "bad_request"},
		{"too much", dataOffer + strings.Repeat("a=x\r\n", maxOffer), "too_large"},
	} {
		require.Equal(t, c.code, code(t, b.post("127.0.0.1:9", c.offer)), c.name)
	}
	for method, status := range map[string]int{http.MethodGet: http.StatusMethodNotAllowed, http.MethodOptions: http.StatusOK, http.MethodPost: http.StatusUnsupportedMediaType} {
		w := httptest.NewRecorder()
		b.door.ServeHTTP(w, httptest.NewRequest(method, "/reach", nil))
		require.Equal(t, status, w.Code, method)
	}
	require.Zero(t, b.open())
}

func TestOtherSectionsAreRefused(t *testing.T) {
	t.Parallel()
	list, err := parseOffer("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:v\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n")
	require.NoError(t, err)
	a := answer{credentials: lite.NewCredentials(), fingerprint: noCertificate(), id: sessionID()}
	text := a.write(list)
	require.Contains(t, text, "a=group:BUNDLE d\r\n")
	require.Contains(t, text, "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:v\r\n")
	require.Contains(t, text, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n")
}

func FuzzOffer(f *testing.F) {
	f.Add(dataOffer)
	f.Add("v=0\nm=audio 0 RTP/AVP 0\nm=application 9 TCP/DTLS/SCTP webrtc-datachannel\na=mid:a b\n")
	f.Add("v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel 1 2 3\r\na=mid:x\r\na=mid:y\r\n")
	c := lite.NewCredentials()
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseOffer(text)
		if err != nil {
			var wrong *offer.Error
			require.ErrorAs(t, err, &wrong)
			return
		}
		a := answer{credentials: c, fingerprint: noCertificate(), candidates: []string{"1 1 udp 1 192.0.2.1 1 typ host"}, id: 1}
		var d sdp.SessionDescription
		require.NoError(t, d.UnmarshalString(a.write(list)))
		require.Len(t, d.MediaDescriptions, len(list))
	})
}
