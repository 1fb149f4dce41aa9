package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/heliograph/heliograph/server/certs"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/port/limit"
	"github.com/heliograph/heliograph/server/web"
)

// plainPort is where browsers go that are told of no TLS.
const plainPort = 80

// lookUpTime bounds the look-up of the domain at start.
const lookUpTime = 5 * time.Second

// Bounds on the door that only sends people on.
const (
	plainTimeout   = 5 * time.Second
	plainMaxHeader = 8 << 10
	plainTotal     = 512
	plainPerAddr   = 16
)

// encryption is what the server encrypts with; its fields are nil for none.
type encryption struct {
	keeper certs.Keeper
	domain *certs.Domain // the keeper, when it is one
	self   *certs.Self   // the keeper, when it is one
	plain  net.Listener  // port 80, beside the one port
}

// buildTLS makes what keeps the certificate that the settings name.
func (a *App) buildTLS() (err error) {
	set, log := a.cfg.Settings, a.cfg.Log
	switch e := &a.encryption; {
	case set.TLS.Domain != "":
		e.domain = certs.NewDomain(certs.DomainConfig{Name: set.TLS.Domain, Data: set.Data, Authority: a.cfg.Authority, Log: log})
		e.keeper = e.domain
	case set.TLS.Certificate != "":
		e.keeper, err = certs.NewFiles(set.TLS.Certificate, set.TLS.Key, log)
	case set.TLS.SelfSigned:
		if e.self, err = certs.NewSelf(set.Data, names(set.PublicHosts), log); err == nil {
			e.keeper = e.self
			log.Info("browsers warn of a certificate that a server has signed itself, once; "+
				"compare its fingerprint before you go on, the page /certificate tells more", "sha256", e.self.Fingerprint())
		}
	}
	return err
}

// config returns what listeners encrypt with, nil for none.
func (e *encryption) config() *tls.Config {
	if e.keeper == nil {
		return nil
	}
	return e.keeper.TLS()
}

// door tells the web door of it.
func (e *encryption) door(port uint16) web.TLS {
	t := web.TLS{Port: port}
	if e.keeper != nil {
		t.Trusted = e.keeper.Trusted
	}
	if e.domain != nil {
		t.Challenges = e.domain.Challenges
	}
	if e.self != nil {
		t.Fingerprint = e.self.Fingerprint
	}
	return t
}

// turnHost returns the host for TURN within TLS, of a client that has reached
// the server by host; "" for none. The certificate must be good for it, and
// browsers that take a self-signed one for a page do not for TURN. Firefox
// connects to names only.
func (e *encryption) turnHost(host string) string {
	switch {
	case e.keeper == nil || e.self != nil || e.domain != nil && !e.domain.Trusted():
		return ""
	case e.keeper.Host() == "":
		return host
	case e.domain != nil || isAddress(host):
		return e.keeper.Host()
	}
	return host
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// publicHosts are the names to announce: those set; else the domain, whose
// address is the one that the world sees, where there is NAT before the server.
func (a *App) publicHosts(ctx context.Context) (hosts []port.Host) {
	set, domain := a.cfg.Settings.PublicHosts, a.cfg.Settings.TLS.Domain
	for _, h := range set {
		hosts = append(hosts, port.Host(h))
	}
	if len(hosts) > 0 || domain == "" {
		return hosts
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTime)
	defer cancel()
	if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", domain); err != nil {
		a.cfg.Log.Warn("the domain has no address, so those of the interfaces are announced; make it lead to this server, "+
			"or set --public-host", "domain", domain, "err", err)
		return nil
	}
	return []port.Host{{Name: domain}}
}

// names are those of hosts.
func names(hosts []config.Host) (list []string) {
	for _, h := range hosts {
		list = append(list, h.Name)
	}
	return list
}

// openPlain opens port 80 for a domain: people type its name without https, and
// the authority may ask there. Without it the one port still does.
func (a *App) openPlain() {
	if a.encryption.domain == nil {
		return
	}
	number := plainPort
	if n := a.cfg.Authority.HTTPPort; n != 0 {
		number = n
	}
	if int(a.port.Addr().Port()) == number {
		return
	}
	host, _, err := net.SplitHostPort(a.cfg.Settings.Listen)
	if err == nil {
		a.encryption.plain, err = net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(number)))
	}
	if err != nil {
		a.cfg.Log.Warn("cannot open port 80, so http:// addresses without a port do not lead here", "err", err)
	}
}

// runPlain sends people from port 80 to the one port.
func (a *App) runPlain(ctx context.Context) error {
	s := &http.Server{
		Handler:           a.encryption.domain.Challenges(web.Redirect(a.number())),
		ReadHeaderTimeout: plainTimeout, ReadTimeout: plainTimeout, WriteTimeout: plainTimeout, IdleTimeout: plainTimeout,
		MaxHeaderBytes: plainMaxHeader, ErrorLog: slog.NewLogLogger(a.cfg.Log.Handler(), slog.LevelDebug),
	}
	defer context.AfterFunc(ctx, func() { _ = s.Close() })()
	err := s.Serve(limit.Listen(a.encryption.plain, limit.Config{Total: plainTotal, PerAddr: plainPerAddr, Log: a.cfg.Log}))
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving port 80: %w", err)
}
