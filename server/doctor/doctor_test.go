package doctor

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/app"
	"github.com/heliograph/heliograph/server/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// live starts a whole server and returns its URL.
func live(t *testing.T, secure config.TLS) string {
	t.Helper()
	out, in := io.Pipe()
	a, err := app.New(t.Context(), app.Config{
		Settings: config.Settings{Listen: "127.0.0.1:0", Data: filepath.Join(t.TempDir(), "data"), Log: "text", ReadyJSON: true, TLS: secure},
		Out:      in, Err: io.Discard, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = a.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var ready struct{ HTTP string }
	require.NoError(t, json.Unmarshal([]byte(line), &ready))
	return ready.HTTP
}

// examine runs the doctor with little patience.
func examine(t *testing.T, address string, wait time.Duration, change func(*examination)) *Report {
	t.Helper()
	u, err := parseURL(address)
	require.NoError(t, err)
	e := &examination{url: u, patience: wait, tell: func(r Result) { t.Log(r.Line()) }, report: &Report{URL: u.String()}}
	if change != nil {
		change(e)
	}
	e.run(t.Context())
	t.Log(e.report.Verdict())
	return e.report
}

// state returns what came of a way, by the way's first result.
func (r *Report) state(way string) State {
	at := slices.IndexFunc(r.Results, func(r Result) bool { return r.Way == way })
	if at < 0 {
		return ""
	}
	return r.Results[at].State
}

func TestEveryWay(t *testing.T) {
	t.Parallel()
	told := 0
	r, err := Run(t.Context(), live(t, config.TLS{})+"/watch/harbour", func(Result) { told++ })
	require.NoError(t, err)
	for _, way := range []string{wayDNS, wayTCP, wayHTTP, wayWebSocket, wayUDP, wayICETCP, wayTURNUDP, wayTURNTCP} {
		require.Equal(t, OK, r.state(way), "%s: %+v", way, r.Results)
	}
	require.Equal(t, Skipped, r.state(wayTURNTLS), "no certificate")
	require.True(t, r.Media)
	require.Equal(t, wayUDP, r.Best)
	require.Equal(t, len(r.Results), told)
	require.Contains(t, r.Verdict(), "by UDP")
}

// certificate writes one for this machine's loopback, and returns its pool.
func certificate(t *testing.T) (config.TLS, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	own := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, own, own, key.Public(), key)
	require.NoError(t, err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	files := config.TLS{Certificate: filepath.Join(t.TempDir(), "c.pem"), Key: filepath.Join(t.TempDir(), "k.pem")}
	chain := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(files.Certificate, chain, 0o600))
	require.NoError(t, os.WriteFile(files.Key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(chain))
	return files, pool
}

func TestEveryWayWithTLS(t *testing.T) {
	t.Parallel()
	files, pool := certificate(t)
	address := strings.Replace(live(t, files), "http:", "https:", 1)
	r := examine(t, address, patience, func(e *examination) { e.roots = pool })
	for _, way := range []string{wayTLS, wayHTTP, wayWebSocket, wayUDP, wayICETCP, wayTURNUDP, wayTURNTCP, wayTURNTLS} {
		require.Equal(t, OK, r.state(way), "%s: %+v", way, r.Results)
	}
	r = examine(t, address, patience, nil)
	require.Equal(t, Warning, r.state(wayTLS))
	require.Equal(t, Blocked, r.state(wayTURNTLS), "browsers give no second chance")
	require.Equal(t, wayUDP, r.Best)
}

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	r := examine(t, strings.Replace(live(t, config.TLS{SelfSigned: true}), "http:", "https:", 1), patience, nil)
	require.Equal(t, Warning, r.state(wayTLS))
	at := slices.IndexFunc(r.Results, func(r Result) bool { return r.Way == wayTURNTLS })
	require.Equal(t, Skipped, r.Results[at].State)
	require.Contains(t, r.Results[at].Why, "self-signed")
}

func TestWithoutScheme(t *testing.T) {
	t.Parallel()
	_, err := Run(t.Context(), "localhost:9180", func(Result) {})
	require.ErrorIs(t, err, ErrUsage)
	require.ErrorContains(t, err, "write http://localhost:9180, or https://localhost:9180")
}

// Behind a proxy that knows only HTTP, with the media of another port.
func TestBehindProxyWithTLS(t *testing.T) {
	t.Parallel()
	target, err := url.Parse(live(t, config.TLS{}))
	require.NoError(t, err)
	front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(target))
	t.Cleanup(front.Close)
	r := examine(t, front.URL, patience, nil)
	require.Equal(t, Warning, r.state(wayTLS), "a certificate that nobody knows")
	require.Equal(t, OK, r.state(wayWebSocket))
	require.Equal(t, wayUDP, r.Best)
	r = examine(t, strings.Replace(front.URL, "127.0.0.1", "localhost", 1), patience, nil)
	require.Equal(t, Warning, r.state(wayTLS))
	r = examine(t, front.URL, patience, func(e *examination) { e.roots = front.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs })
	require.Equal(t, OK, r.state(wayTLS))
}

// stub answers as a server does whose media are somewhere else.
func stub(t *testing.T, answer func(w http.ResponseWriter)) string {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /reach", func(w http.ResponseWriter, _ *http.Request) { answer(w) })
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s.URL
}

func sdp(candidates ...string) string {
	b := "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
	for _, c := range candidates {
		b += "a=candidate:" + c + "\r\n"
	}
	return b
}

// deaf opens a UDP and a TCP port that take everything and answer nothing.
func deaf(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	at := netip.MustParseAddrPort(l.Addr().String())
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	require.NoError(t, err)
	t.Cleanup(func() { _ = u.Close() })
	return at
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	at := deaf(t)
	gone, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := netip.MustParseAddrPort(gone.LocalAddr().String())
	require.NoError(t, gone.Close())
	address := stub(t, func(w http.ResponseWriter) {
		w.Header().Add("Link", `<turn:127.0.0.1:`+itoa(at.Port())+`?transport=tcp>; rel="ice-server"; username="a"; credential="b"`)
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, sdp("1 1 udp 1 127.0.0.1 "+itoa(at.Port())+" typ host", "2 1 udp 1 127.0.0.1 "+itoa(closed.Port())+" typ host",
			"3 1 tcp 1 127.0.0.1 "+itoa(at.Port())+" typ host tcptype passive", "4 1 tcp 1 127.0.0.1 "+itoa(closed.Port())+" typ host tcptype passive"))
	})
	r := examine(t, address, 100*time.Millisecond, nil)
	require.False(t, r.Media)
	require.Equal(t, Blocked, r.state(wayWebSocket))
	said := map[string][]Result{}
	for _, one := range r.Results {
		said[one.Way] = append(said[one.Way], one)
		if one.State == Blocked {
			require.NotEmpty(t, one.Text, one)
			require.NotEmpty(t, one.Ask, one)
		}
	}
	require.Equal(t, "nothing came back", said[wayUDP][0].Text)
	require.Contains(t, said[wayUDP][1].Text, "nothing listens")
	require.Contains(t, said[wayICETCP][0].Text, "then nothing comes back")
	require.Contains(t, said[wayICETCP][1].Text, "refuses")
	require.Equal(t, Blocked, r.state(wayTURNTCP))
	require.Contains(t, r.Verdict(), "Nothing gets through")
}

func itoa(port uint16) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), port).String()[len("0.0.0.0:"):]
}

func TestNoServer(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone := l.Addr().String()
	require.NoError(t, l.Close())
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	old := stub(t, func(w http.ResponseWriter) { w.WriteHeader(http.StatusNotFound) })
	for address, last := range map[string]string{
		"http://nosuch.invalid":                  wayDNS,
		"http://" + gone:                         wayTCP,
		strings.Replace(old, "http", "https", 1): wayTLS,
		other.URL:                                wayHTTP,
	} {
		r := examine(t, address, time.Second, nil)
		end := r.Results[len(r.Results)-1]
		require.Equal(t, last, end.Way)
		require.Equal(t, Blocked, end.State)
		require.False(t, r.Media)
	}
	r := examine(t, old, time.Second, nil)
	require.Equal(t, Skipped, r.state(wayUDP))
	require.Contains(t, r.Results[len(r.Results)-1].Text, "does not know")
	for _, address := range []string{"", "example.org", "ftp://example.org", "http://", "rtmp://x/y", "http://%zz", "http://192.0.2.7:99999", "http://192.0.2.7:0"} {
		_, err := Run(t.Context(), address, func(Result) {})
		require.ErrorIs(t, err, ErrUsage, address)
	}
}

func TestHints(t *testing.T) {
	t.Parallel()
	e := &examination{through: netip.MustParseAddrPort("192.0.2.1:443"), url: &url.URL{Host: "live.example"}}
	r := e.unanswered(Result{Way: wayUDP, Target: "172.17.0.2:8080"}, context.DeadlineExceeded)
	require.Contains(t, r.Why, "private address")
	require.True(t, strings.HasSuffix(r.Ask, "--public-host live.example"), r.Ask)
	e.url.Host = "live.example:9000"
	r = e.unanswered(Result{Way: wayUDP, Target: "172.17.0.2:8080"}, context.DeadlineExceeded)
	require.Contains(t, r.Ask, "--public-host live.example, and with :9000 behind it")
	require.Contains(t, r.Ask, "--public-host live.example")
	for _, r := range []Result{
		e.unanswered(Result{Way: wayUDP}, &net.OpError{Err: os.NewSyscallError("sendto", syscall.EPERM)}),
		e.unconnected(Result{Way: wayTCP}, &net.OpError{Err: os.NewSyscallError("connect", syscall.EPERM)}),
	} {
		require.Equal(t, Blocked, r.State)
		require.Contains(t, r.Why, "its own firewall")
	}
	e.report = &Report{Results: []Result{{Way: wayUDP, State: Blocked}, {Way: wayICETCP, State: Blocked}, {Way: wayTURNUDP, State: OK}, {Way: wayTURNTCP, State: OK}}}
	e.summarise()
	require.Equal(t, wayTURNTCP, e.report.Best)
	require.Contains(t, e.report.Verdict(), "not at an address that it announces")
	require.Equal(t, "UDP        ok          12 ms  192.0.2.1:1", Result{Way: wayUDP, Target: "192.0.2.1:1", State: OK, Millis: 12.3}.Line())
	require.Equal(t, "UDP        blocked            192.0.2.1:1: nothing came back, probably because of this; ask", Result{Way: wayUDP,
		Target: "192.0.2.1:1", State: Blocked, Text: "nothing came back", Why: "of this", Ask: "ask"}.Line())
}
