package port

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/metric"
)

// identity makes a certificate for 127.0.0.1 and the clients' trust in it.
func identity(t testing.TB) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: roots, ServerName: "127.0.0.1"}
}

// openTLS runs a port with a certificate until the test ends.
func openTLS(t testing.TB, times sniffTimes) (*Port, *tls.Config) {
	t.Helper()
	server, client := identity(t)
	p, err := Listen(Config{Listen: "127.0.0.1:0", TLS: server, Metrics: metric.New()})
	require.NoError(t, err)
	p.streams.times = times
	run(t, p)
	return p, client
}

// secure connects with TLS and the protocols named.
func secure(t testing.TB, p *Port, client *tls.Config, protocols ...string) *tls.Conn {
	t.Helper()
	cfg := client.Clone()
	cfg.NextProtos = protocols
	c := tls.Client(connect(t, p), cfg)
	require.NoError(t, c.Handshake())
	return c
}

// behindTLS says what a handler sees of HTTP and TLS.
var behindTLS = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, r.Proto)
	if r.TLS != nil && r.TLS.HandshakeComplete {
		_, _ = io.WriteString(w, " TLS")
	}
})

func get(t testing.TB, transport *http.Transport, url string) string {
	t.Helper()
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport, Timeout: patience}).Get(url)
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(b)
}

// All kinds of HTTP come through one port, and each knows whether it is
// encrypted: cookies depend on it.
func TestHTTPWithAndWithoutTLS(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	serve(t, p, behindTLS)
	two := new(http.Protocols)
	two.SetUnencryptedHTTP2(true)
	require.Equal(t, "HTTP/1.1", get(t, &http.Transport{}, "http://"+p.Addr().String()))
	require.Equal(t, "HTTP/2.0", get(t, &http.Transport{Protocols: two}, "http://"+p.Addr().String()))
	require.Equal(t, "HTTP/1.1 TLS", get(t, &http.Transport{TLSClientConfig: client.Clone()}, "https://"+p.Addr().String()))
	require.Equal(t, "HTTP/2.0 TLS", get(t, &http.Transport{TLSClientConfig: client.Clone(), ForceAttemptHTTP2: true}, "https://"+p.Addr().String()))
	require.EqualValues(t, 2, p.count.streams.secure.Value())
	require.EqualValues(t, 4, p.count.streams.http.Value())
}

// What was agreed on in the handshake does not decide what is spoken.
func TestProtocolsWithinTLS(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	serve(t, p, behindTLS)
	rtmp, rtsp := p.RTMP(), p.RTSP()
	for _, offered := range [][]string{nil, {"http/1.1"}, {"stun.turn"}, {"stun.turn", "http/1.1"}} {
		c := secure(t, p, client, offered...)
		_, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		require.NoError(t, err)
		b, err := io.ReadAll(c)
		require.NoError(t, err)
		require.True(t, strings.HasSuffix(string(b), "HTTP/1.0 TLS"), "%q", b)
	}
	for first, l := range map[string]net.Listener{
		string(stunMessage(0x0003)): p.TURNStreams(), "\x03\x00\x00\x00\x00rest": rtmp, "OPTIONS rtsp://x RTSP/1.0\r\n": rtsp,
	} {
		for _, encrypted := range []bool{false, true} {
			var c net.Conn = connect(t, p)
			if encrypted {
				c = secure(t, p, client)
			}
			for i := range first {
				_, err := c.Write([]byte(first[i : i+1]))
				require.NoError(t, err)
			}
			got, err := l.Accept()
			require.NoError(t, err)
			require.NoError(t, got.SetDeadline(time.Now().Add(patience)))
			b := make([]byte, len(first))
			_, err = io.ReadFull(got, b)
			require.NoError(t, err)
			require.Equal(t, first, string(b))
			_, known := got.(interface{ ConnectionState() tls.ConnectionState })
			require.Equal(t, encrypted, known)
			_, err = got.(io.ReaderFrom).ReadFrom(strings.NewReader("answer"))
			require.NoError(t, err)
			require.NoError(t, got.(interface{ CloseWrite() error }).CloseWrite())
			b, err = io.ReadAll(c)
			require.NoError(t, err)
			require.Equal(t, "answer", string(b))
			require.NoError(t, got.Close())
		}
	}
}

func TestTLSThatBringsNothing(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, sniffTimes{first: time.Second, agree: time.Second})
	unfinished := connect(t, p)
	_, err := unfinished.Write([]byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
	require.NoError(t, err)
	closed(t, unfinished)
	silent := secure(t, p, client)
	closed(t, silent)
	eventually(t, "counted", func() bool {
		return p.count.streams.unagreed.Value() == 1 && p.count.streams.silent.Value() == 1
	})
	for _, garbage := range []string{"\x16\x03\x01\x02\x00", "SSH-2.0-x", "\xff"} {
		c := secure(t, p, client)
		_, err := c.Write([]byte(garbage))
		require.NoError(t, err)
		closed(t, c)
	}
	eventually(t, "closed", func() bool { return p.count.streams.garbage.Value() == 3 })
	eventually(t, "forgotten", func() bool {
		p.streams.mu.Lock()
		defer p.streams.mu.Unlock()
		return len(p.streams.perAddr) == 0
	})
}

// A client that speaks no protocol of ours is told so, by TLS itself.
func TestUnknownProtocolOfTLS(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	cfg := client.Clone()
	cfg.NextProtos = []string{"h3"}
	require.ErrorContains(t, tls.Client(connect(t, p), cfg).Handshake(), "no application protocol")
}

// Unfinished handshakes of one address are held to a number, and do not keep
// others out.
func TestUnfinishedTLSIsBounded(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	serve(t, p, behindTLS)
	const n = maxSilentPerAddr + 50
	for range n {
		_, err := connect(t, p).Write([]byte("\x16\x03\x01\x02\x00\x01"))
		require.NoError(t, err)
	}
	eventually(t, "evicted", func() bool { return p.count.streams.evicted.Value() == n-maxSilentPerAddr })
	require.Equal(t, "HTTP/1.1 TLS", get(t, &http.Transport{TLSClientConfig: client.Clone()}, "https://"+p.Addr().String()))
}

// The counts of a network follow its connections to their end.
func TestOpenConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := connect(t, p)
	_, err := c.Write(stunMessage(0x0003))
	require.NoError(t, err)
	got, err := p.TURNStreams().Accept()
	require.NoError(t, err)
	count := func() (n crowd) {
		p.streams.mu.Lock()
		defer p.streams.mu.Unlock()
		for _, n = range p.streams.perAddr {
		}
		return n
	}
	require.Equal(t, crowd{open: 1}, count())
	require.NoError(t, got.Close())
	_ = got.Close() // once only
	require.Equal(t, crowd{}, count())
}

func TestTimesOfSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, err := Listen(Config{Listen: "127.0.0.1:0"})
		require.NoError(t, err)
		defer p.Close()
		server, client := net.Pipe()
		defer func() { _ = client.Close() }()
		start := time.Now()
		_, kind := p.streams.readPrefix(server)
		require.Equal(t, StreamMore, kind)
		require.Equal(t, 5*time.Second, time.Since(start))
	})
}
