// Package certs keeps the server's certificate: one that the operator has put
// into files and may replace at any time, one that the server signs itself for
// a local network, or one that it gets for its domain by ACME (RFC 8555) and
// renews. It knows nothing of what is served with it, and opens no port.
package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/netip"
	"strings"
	"time"
)

// ErrNone says that there is no certificate yet.
var ErrNone = errors.New("there is no certificate yet")

// folder of the certificates in the data folder.
const folder = "certificates"

// Keeper keeps one certificate in order.
type Keeper interface {
	// TLS returns settings for servers, which follow the certificate as it
	// changes. They hold no protocols but those that the keeper itself needs.
	TLS() *tls.Config
	// Run watches and renews the certificate until ctx ends.
	Run(ctx context.Context) error
	// Trusted says whether clients take the certificate without having been told
	// to, as far as can be seen from here.
	Trusted() bool
	// Host returns a name that the certificate is valid for, by which clients may
	// come; "" when it holds none.
	Host() string
}

// settings are those of all keepers.
func settings(get func(*tls.ClientHelloInfo) (*tls.Certificate, error), protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: get, NextProtos: protocols}
}

// trusted says whether the system's roots lead to the leaf of a certificate
// that is valid now.
func trusted(c *tls.Certificate, now time.Time) bool {
	between := x509.NewCertPool()
	for _, der := range c.Certificate[1:] {
		if authority, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(authority)
		}
	}
	_, err := c.Leaf.Verify(x509.VerifyOptions{Intermediates: between, CurrentTime: now})
	return err == nil
}

// hostIn returns the first name in a leaf that is no pattern and no address.
func hostIn(leaf *x509.Certificate) string {
	for _, name := range leaf.DNSNames {
		if _, err := netip.ParseAddr(name); err != nil && !strings.Contains(name, "*") {
			return name
		}
	}
	return ""
}
