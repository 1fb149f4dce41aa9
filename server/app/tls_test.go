package app_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/certs"
	"github.com/heliograph/heliograph/server/config"
)

// encrypted starts a server with a certificate that is trusted here, and
// returns its address.
func encrypted(t *testing.T) (l *live, address string) {
	t.Helper()
	set := settings(t.TempDir())
	set.Open = true
	cert, key := certificate(t)
	set.TLS = config.TLS{Certificate: cert, Key: key}
	set.Encoders = config.Encoders{RTMP: "127.0.0.1:0", RTSP: "127.0.0.1:0"}
	l = start(t, set)
	u, err := url.Parse(l.url)
	require.NoError(t, err)
	return l, u.Host
}

// Pages, cookies and WebSockets know that they are encrypted.
func TestPagesWithinTLS(t *testing.T) {
	t.Parallel()
	l, address := encrypted(t)
	require.True(t, strings.HasPrefix(l.url, "http://"), "on this machine alone")
	for proto, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		transport := &http.Transport{ForceAttemptHTTP2: two, TLSClientConfig: &tls.Config{}}
		client := &http.Client{Transport: transport}
		res, err := client.Get("https://" + address + "/api/v1/encoders")
		require.NoError(t, err)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, proto, res.Proto)
		require.Contains(t, string(b), `"whip":"https://`+address+`/whip"`)
		require.Contains(t, res.Header.Get("Strict-Transport-Security"), "max-age=")

		link := setUpLink.FindStringSubmatch(l.errs.String())
		require.NotNil(t, link)
		res, err = client.Post("https://"+address+"/api/v1/setup", "application/json",
			strings.NewReader(`{"token":"`+link[1]+`","user":"ada","password":"correct horse"}`))
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		for _, c := range res.Cookies() { // of the first that comes
			require.True(t, c.Secure)
		}
		transport.CloseIdleConnections()
	}
	res, err := http.Get("http://" + address + "/healthz")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Empty(t, res.Header.Get("Strict-Transport-Security"), "nobody believes it without TLS")

	ws, answer, err := websocket.DefaultDialer.Dial("wss://"+address+"/ws", http.Header{"Origin": {"https://" + address}})
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.NoError(t, ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"hello","version":1}`)))
	_, welcome, err := ws.ReadMessage()
	require.NoError(t, err)
	require.Contains(t, string(welcome), `"welcome"`)
	require.NoError(t, ws.Close())
}

// Encoders of others find the one port too, with and without TLS.
func TestEncodersAtTheOnePort(t *testing.T) {
	t.Parallel()
	ffmpeg, err := exec.LookPath("ffmpeg")
	if err != nil {
		t.Skip("ffmpeg is not installed")
	}
	l, address := encrypted(t)
	for scheme, format := range map[string][]string{
		"rtmp": {"-f", "flv"}, "rtmps": {"-f", "flv"},
		"rtsp": {"-f", "rtsp", "-rtsp_transport", "tcp"}, "rtsps": {"-f", "rtsp", "-rtsp_transport", "tcp"},
	} {
		path := map[bool]string{true: "/live/"}[strings.HasPrefix(scheme, "rtmp")]
		if path == "" {
			path = "/"
		}
		ctx, cancel := context.WithCancel(t.Context())
		args := append([]string{"-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=10", "-c:v", "libx264",
			"-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10"}, format...)
		cmd := exec.CommandContext(ctx, ffmpeg, append(args, scheme+"://"+address+path+scheme)...)
		var said strings.Builder
		cmd.Stderr = &said
		require.NoError(t, cmd.Start())
		deadline := time.Now().Add(patience)
		for seen := false; !seen; {
			require.True(t, time.Now().Before(deadline), "%s: %s", scheme, l.logs)
			_, state := l.get(t, "/api/v1/streams/"+scheme)
			seen = strings.Contains(state, `"live"`)
			time.Sleep(20 * time.Millisecond)
		}
		cancel()
		_ = cmd.Wait()
	}
}

// A certificate of the server's own is explained to people, and nobody is made
// to use it.
func TestSelfSigned(t *testing.T) {
	t.Parallel()
	set := settings(t.TempDir())
	set.TLS.SelfSigned = true
	l := start(t, set)
	status, text := l.get(t, "/certificate")
	require.Equal(t, http.StatusOK, status)
	lines := strings.Fields(text)
	fingerprint := strings.Join(lines[len(lines)-4:], ":")
	require.Len(t, fingerprint, 95)
	require.Contains(t, l.logs.String(), fingerprint)

	address := strings.TrimPrefix(l.url, "http://")
	c, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	require.NoError(t, c.ConnectionState().PeerCertificates[0].VerifyHostname("127.0.0.1"))
	require.NoError(t, c.Close())
	_, err = http.Get("https://" + address)
	var unknown x509.UnknownAuthorityError
	require.ErrorAs(t, err, &unknown)
}

// free finds a number that is free now.
func free(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// acme runs an authority to which every name is this machine.
func acme(t *testing.T, httpPort, tlsPort int) (certs.Authority, *x509.CertPool) {
	t.Helper()
	names, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ready := make(chan struct{})
	resolver := &dns.Server{Listener: names, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(a)
	})}
	ended := make(chan error, 1)
	go func() { ended <- resolver.ActivateAndServe() }()
	<-ready
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: 3600}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, names.Addr().String(), store), signer, nil, false, false, 0, 0)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, resolver.Shutdown())
		require.NoError(t, <-ended)
	})
	own, issued := x509.NewCertPool(), x509.NewCertPool()
	own.AddCert(server.Certificate())
	root, err := x509.ParseCertificate(signer.GetRootCert(0).DER)
	require.NoError(t, err)
	issued.AddCert(root)
	return certs.Authority{Directory: server.URL + wfe.DirectoryPath, Roots: own, HTTPPort: httpPort, TLSPort: tlsPort}, issued
}

// A fresh machine with a domain gets its certificate at its own port, and sends
// people there who come without TLS.
func TestDomain(t *testing.T) {
	t.Parallel()
	httpPort, tlsPort := free(t), free(t)
	authority, roots := acme(t, httpPort, tlsPort)
	set := settings(t.TempDir())
	set.TLS.Domain, set.PublicHosts = "live.example.com", []config.Host{{Name: "127.0.0.1"}}
	set.Listen = net.JoinHostPort("127.0.0.1", strconv.Itoa(tlsPort))
	l := startWith(t, set, authority)
	require.Equal(t, "https://live.example.com:"+strconv.Itoa(tlsPort), l.url)

	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true, ForceAttemptHTTP2: true}
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(address)
		if port == "80" {
			port = strconv.Itoa(httpPort)
		}
		return new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
	}
	client := &http.Client{Transport: transport, Timeout: patience}
	require.Eventually(t, func() bool { return strings.Contains(l.logs.String(), "certificate ready") }, patience, 20*time.Millisecond, l.logs)
	res, err := client.Get("http://live.example.com/watch/harbour?x=1") // and follows to TLS
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, l.url+"/watch/harbour?x=1", res.Request.URL.String())
	require.NotEmpty(t, res.Header.Get("Strict-Transport-Security"))
	require.NotEmpty(t, res.TLS.PeerCertificates)
}
