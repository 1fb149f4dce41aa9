package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
	"go.uber.org/zap"
)

// Authority says where certificates come from. The zero value is Let's Encrypt,
// and ports 80 and 443; anything else is for tests.
type Authority struct {
	Directory string         // URL of the ACME directory
	Roots     *x509.CertPool // that the directory's own certificate is checked with
	HTTPPort  int            // where it asks by HTTP-01
	TLSPort   int            // where it asks by TLS-ALPN-01
	Every     time.Duration  // between two looks at the certificate's age
}

// DomainConfig is what NewDomain needs.
type DomainConfig struct {
	Name      string // the domain
	Data      string // folder in which the certificate, its key and the account are kept
	Authority Authority
	Log       *slog.Logger
}

// Domain gets the certificate of a domain by ACME and renews it.
type Domain struct {
	// set at construction
	cfg DomainConfig
	// atomic
	running atomic.Pointer[manager] // nil before and after Run
	have    atomic.Bool
}

// manager is the library at work.
type manager struct {
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

// NewDomain makes a keeper, which asks for nothing before Run.
func NewDomain(cfg DomainConfig) *Domain { return &Domain{cfg: cfg} }

// Run gets the certificate, if there is none, and renews it in time. What
// fails is tried again, the longer the rarer.
func (d *Domain) Run(ctx context.Context) error {
	m := &manager{}
	log := zap.New(bridge{d.cfg.Log})
	cache := certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		RenewCheckInterval: d.cfg.Authority.Every,
		Logger:             log,
	})
	files := newStorage(filepath.Join(d.cfg.Data, folder))
	defer files.close()
	defer cache.Stop()
	m.config = certmagic.New(cache, certmagic.Config{
		Storage: files,
		OnEvent: d.event, Logger: log,
		// Clients that come by address, or by another name, get this one too.
		DefaultServerName: d.cfg.Name, FallbackServerName: d.cfg.Name,
	})
	m.issuer = certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: d.cfg.Authority.Directory, TrustedRoots: d.cfg.Authority.Roots, Agreed: true,
		AltHTTPPort: d.cfg.Authority.HTTPPort, AltTLSALPNPort: d.cfg.Authority.TLSPort, Logger: log,
	})
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	d.running.Store(m)
	defer d.running.Store(nil)
	d.discard(ctx, m)
	if err := m.config.ManageAsync(ctx, []string{d.cfg.Name}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// discard deletes the certificate that is kept if it is broken, as after a power
// cut: the library would neither use it nor get another. One that only cannot
// be read now is left alone, for authorities give a few a week.
func (d *Domain) discard(ctx context.Context, m *manager) {
	keys, issuer := certmagic.StorageKeys, m.issuer.IssuerKey()
	var parts [3][]byte
	for i, key := range []string{keys.SiteCert(issuer, d.cfg.Name), keys.SitePrivateKey(issuer, d.cfg.Name), keys.SiteMeta(issuer, d.cfg.Name)} {
		var err error
		if parts[i], err = m.config.Storage.Load(ctx, key); err != nil {
			return
		}
	}
	_, err := tls.X509KeyPair(parts[0], parts[1])
	if err == nil && json.Valid(parts[2]) {
		return
	}
	d.cfg.Log.Warn("the certificate in the data folder is broken; another is got", "domain", d.cfg.Name, "err", err)
	if err := m.config.Storage.Delete(ctx, keys.CertsSitePrefix(issuer, d.cfg.Name)); err != nil {
		d.cfg.Log.Warn("the broken certificate cannot be deleted; delete it by hand", "domain", d.cfg.Name, "err", err)
	}
}

// event notes what became of the certificate and tells the operator.
func (d *Domain) event(_ context.Context, event string, data map[string]any) error {
	switch event {
	case "cached_managed_cert":
		d.have.Store(true)
		d.cfg.Log.Info("certificate ready", "domain", d.cfg.Name)
	case "cert_failed":
		d.cfg.Log.Warn("no certificate for the domain; it is tried again. The name must lead to this server, "+
			"and TCP port 443 or 80 must reach it from the internet", "domain", d.cfg.Name, "err", data["error"])
	}
	return nil
}

// TLS implements Keeper.
func (d *Domain) TLS() *tls.Config {
	return settings(func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if m := d.running.Load(); m != nil {
			return m.config.GetCertificate(h)
		}
		return nil, ErrNone
	}, acmez.ACMETLS1Protocol)
}

// Trusted implements Keeper: there is nothing to trust before there is a
// certificate.
func (d *Domain) Trusted() bool { return d.have.Load() }

// Host implements Keeper.
func (d *Domain) Host() string { return d.cfg.Name }

// Challenges answers what the authority asks by HTTP-01 (RFC 8555 section 8.3),
// and leaves all else to next.
func (d *Domain) Challenges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m := d.running.Load(); m != nil && m.issuer.HandleHTTPChallenge(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}
