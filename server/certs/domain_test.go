package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	_ = os.Setenv("PEBBLE_VA_NOSLEEP", "1")
	_ = os.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"),          // has no end
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).permit"), // one for each authority, for ever
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.keepLockfileFresh"),               // sees after 5 s that it may end
	)
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// authority is an ACME server that asks for domain at two ports of this machine.
type authority struct {
	Authority
	ca *ca.CAImpl
}

// startAuthority runs one whose certificates last for life seconds.
func startAuthority(t *testing.T, life uint64, httpPort, tlsPort int) authority {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	store := db.NewMemoryStore()
	signer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: life}})
	front := wfe.New(quiet, store, va.New(quiet, httpPort, tlsPort, false, names(t), store), signer, nil, false, false, 0, 0)
	server := httptest.NewTLSServer(withoutAdvice(front.Handler()))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	return authority{Authority{Directory: server.URL + wfe.DirectoryPath, Roots: roots, HTTPPort: httpPort, TLSPort: tlsPort}, signer}
}

// withoutAdvice leaves the renewal information (RFC 9773) out of the directory:
// it is no use for certificates that last for seconds.
func withoutAdvice(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != wfe.DirectoryPath {
			h.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, r)
		var directory map[string]any
		_ = json.Unmarshal(answer.Body.Bytes(), &directory)
		delete(directory, "renewalInfo")
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(directory)
	})
}

// names runs a name server to which every name is this machine.
func names(t *testing.T) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		a := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			a.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.IPv4(127, 0, 0, 1)}}
		}
		_ = w.WriteMsg(a)
	})}
	ended := make(chan error, 1)
	ready := make(chan struct{})
	s.NotifyStartedFunc = func() { close(ready) }
	go func() { ended <- s.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		require.NoError(t, s.Shutdown())
		require.NoError(t, <-ended)
	})
	return l.Addr().String()
}

// listen opens a port of this machine.
func listen(t *testing.T) (net.Listener, int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l, l.Addr().(*net.TCPAddr).Port
}

// serve answers HTTP until the test ends.
func serve(t *testing.T, l net.Listener, h http.Handler) {
	t.Helper()
	s := &http.Server{Handler: h, ReadHeaderTimeout: patience, ErrorLog: log.New(io.Discard, "", 0)}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		_ = s.Close()
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}

// deaf is where nothing is understood.
var deaf = http.NotFoundHandler()

func run(t *testing.T, k Keeper) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-ended)
	}
}

// served returns the certificate that a keeper serves for a name.
func served(k Keeper, name string) (*x509.Certificate, error) {
	a, b := net.Pipe()
	go func() {
		s := tls.Server(b, k.TLS())
		_ = s.Handshake()
		_ = b.Close()
	}()
	c := tls.Client(a, &tls.Config{InsecureSkipVerify: true, ServerName: name})
	defer func() { _ = a.Close() }()
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	return c.ConnectionState().PeerCertificates[0], nil
}

func TestDomain(t *testing.T) {
	t.Parallel()
	for _, challenge := range []string{"tls-alpn-01", "http-01"} {
		t.Run(challenge, func(t *testing.T) {
			t.Parallel()
			domain := challenge + ".example.com" // the library knows challenges by name, in all of this process
			plain, httpPort := listen(t)
			secure, tlsPort := listen(t)
			a := startAuthority(t, 3600, httpPort, tlsPort)
			d := NewDomain(DomainConfig{Name: domain, Data: t.TempDir(), Authority: a.Authority, Log: slog.New(slog.DiscardHandler)})
			_, err := served(d, domain)
			require.Error(t, err, "nothing yet")
			require.False(t, d.Trusted())
			if challenge == "http-01" {
				serve(t, plain, d.Challenges(deaf))
				serve(t, secure, deaf)
			} else {
				serve(t, plain, deaf)
				serve(t, tls.NewListener(secure, d.TLS()), deaf)
			}
			stop := run(t, d)
			require.Eventually(t, d.Trusted, patience, 10*time.Millisecond)
			for _, name := range []string{domain, "", "other.example.com"} {
				leaf, err := served(d, name)
				require.NoError(t, err)
				require.NoError(t, leaf.VerifyHostname(domain))
			}
			require.Equal(t, domain, d.Host())
			stop()

			again := NewDomain(d.cfg)
			stop = run(t, again)
			require.Eventually(t, again.Trusted, patience, 10*time.Millisecond, "kept in the data folder: nobody is asked")
			stop()
			require.NoError(t, filepath.WalkDir(d.cfg.Data, func(name string, e os.DirEntry, err error) error {
				if info, e := e.Info(); e == nil && filepath.Ext(name) == ".key" {
					require.Zero(t, info.Mode().Perm()&0o077, "%s is for its owner only", name)
				}
				return err
			}))
		})
	}
}

func TestDomainIsRenewed(t *testing.T) {
	t.Parallel()
	plain, httpPort := listen(t)
	secure, tlsPort := listen(t)
	a := startAuthority(t, 3, httpPort, tlsPort)
	a.Every = 200 * time.Millisecond
	const domain = "renewed.example.com"
	d := NewDomain(DomainConfig{Name: domain, Data: t.TempDir(), Authority: a.Authority, Log: slog.New(slog.DiscardHandler)})
	serve(t, plain, d.Challenges(deaf))
	serve(t, tls.NewListener(secure, d.TLS()), deaf)
	defer run(t, d)()
	require.Eventually(t, d.Trusted, patience, 10*time.Millisecond)
	first, err := served(d, domain)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		leaf, err := served(d, domain)
		return err == nil && leaf.SerialNumber.Cmp(first.SerialNumber) != 0
	}, patience, 50*time.Millisecond)
}

// Whoever asks for a challenge that was not set gets what there is anyway.
func TestForeignChallenge(t *testing.T) {
	t.Parallel()
	d := NewDomain(DomainConfig{Name: "foreign.example.com", Data: t.TempDir(), Log: slog.New(slog.DiscardHandler)})
	w := httptest.NewRecorder()
	d.Challenges(deaf).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/x", nil))
	require.Equal(t, http.StatusNotFound, w.Code)
}

// What is kept may be broken, after a power cut or on a full disk: another
// certificate is got, and the server goes on meanwhile.
func TestDomainWithGarbage(t *testing.T) {
	t.Parallel()
	plain, httpPort := listen(t)
	secure, tlsPort := listen(t)
	a := startAuthority(t, 3600, httpPort, tlsPort)
	const domain = "kept.example.com"
	data := t.TempDir()
	var now atomic.Pointer[Domain]
	serve(t, plain, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { now.Load().Challenges(deaf).ServeHTTP(w, r) }))
	serve(t, secure, deaf)
	for _, broken := range []string{"", ".crt", ".key", ".json"} {
		require.NoError(t, filepath.WalkDir(data, func(name string, _ os.DirEntry, err error) error {
			if strings.HasSuffix(name, domain+broken) && filepath.Ext(name) == broken {
				return os.WriteFile(name, []byte("garbage"), 0o600)
			}
			return err
		}))
		d := NewDomain(DomainConfig{Name: domain, Data: data, Authority: a.Authority, Log: slog.New(slog.DiscardHandler)})
		now.Store(d)
		stop := run(t, d)
		require.Eventually(t, d.Trusted, patience, 10*time.Millisecond, broken)
		stop()
	}
}

// warnings collects what is logged above debug.
type warnings struct {
	slog.Handler
	mu    sync.Mutex
	texts []string
}

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l > slog.LevelDebug }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, r.Message)
	return nil
}

func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }

// Anybody may open connections as an authority does: that must not fill a disk.
func TestStrangersWriteNoLog(t *testing.T) {
	t.Parallel()
	l, port := listen(t)
	serve(t, l, deaf)
	a := startAuthority(t, 3600, port, port)
	log := &warnings{}
	d := NewDomain(DomainConfig{Name: "log.example.com", Data: t.TempDir(), Authority: a.Authority, Log: slog.New(log)})
	stop := run(t, d)
	require.Eventually(t, func() bool { return d.running.Load() != nil }, patience, time.Millisecond)
	for _, protocol := range []string{"acme-tls/1", "h2"} {
		b, c := net.Pipe()
		go func() {
			_ = tls.Client(c, &tls.Config{ServerName: "x.example.com", NextProtos: []string{protocol}}).Handshake()
			_ = c.Close()
		}()
		require.Error(t, tls.Server(b, d.TLS()).Handshake())
		_ = b.Close()
	}
	w := httptest.NewRecorder()
	d.Challenges(deaf).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/.well-known/acme-challenge/x", nil))
	stop()
	log.mu.Lock()
	defer log.mu.Unlock()
	for _, text := range log.texts {
		require.NotContains(t, text, "tls-alpn challenge")
		require.NotContains(t, text, "looking up info")
		require.NotContains(t, text, "handshake")
	}
}
