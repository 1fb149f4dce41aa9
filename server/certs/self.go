package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// A certificate of our own lasts as long as browsers let one last, and is made
// anew a month before its end.
const (
	selfLife  = 397 * 24 * time.Hour
	selfRenew = 30 * 24 * time.Hour
	selfCheck = time.Hour
)

// errBroken says that the file holds no certificate: another is made.
var errBroken = errors.New("not a certificate with its key")

// Self keeps a certificate that the server has signed itself. It is valid for
// the addresses of this machine, and clients warn of it.
type Self struct {
	// set at construction
	file  string // certificate and key, PEM
	hosts func() hosts
	log   *slog.Logger
	// atomic
	current atomic.Pointer[tls.Certificate]
}

// NewSelf reads the certificate that is kept in the data folder, or makes it. It
// is for public, names and addresses, and for what this machine is called and
// has.
func NewSelf(data string, public []string, log *slog.Logger) (*Self, error) {
	s := &Self{
		file: filepath.Join(data, folder, "self-signed.pem"), log: log,
		hosts: func() hosts { return localHosts(public) },
	}
	if err := s.renew(time.Now()); err != nil {
		return nil, err
	}
	return s, nil
}

// renew uses the certificate in the file; if that is not good enough it makes
// another one.
func (s *Self) renew(now time.Time) error {
	wanted := s.hosts()
	pair, err := s.read()
	switch {
	case err == nil && good(pair.Leaf, wanted, now):
	case err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errBroken):
		if pair, err = s.make(wanted, now); err != nil {
			return err
		}
	default:
		return fmt.Errorf("reading the certificate of this server: %w", err)
	}
	s.current.Store(pair)
	return nil
}

// good says whether a certificate lasts for a while and has all names.
func good(leaf *x509.Certificate, wanted hosts, now time.Time) bool {
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter.Add(-selfRenew)) {
		return false
	}
	for _, h := range wanted.all() {
		if leaf.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

func (s *Self) read() (*tls.Certificate, error) {
	b, err := os.ReadFile(s.file)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(b, b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errBroken, s.file, err)
	}
	return &pair, nil
}

// make signs a certificate and keeps it. It is for this server alone and no
// authority: who tells a browser to trust it trusts nothing else.
func (s *Self) make(h hosts, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Heliograph", Organization: []string{"self-signed"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(selfLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, DNSNames: h.names, IPAddresses: h.addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	var file bytes.Buffer
	_ = pem.Encode(&file, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a Buffer takes all
	_ = pem.Encode(&file, &pem.Block{Type: "PRIVATE KEY", Bytes: private})
	if err := replace(s.file, file.Bytes()); err != nil {
		return nil, fmt.Errorf("keeping the certificate: %w", err)
	}
	s.log.Info("certificate made", "expires", template.NotAfter, "names", h.all())
	return s.read()
}

// replace writes a file that only its owner reads, whole or not at all.
func replace(name string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	part := name + ".part"
	if err := os.WriteFile(part, b, 0o600); err != nil {
		return err
	}
	return os.Rename(part, name)
}

// Run makes another certificate before the old one ends, and when this machine
// has got other addresses.
func (s *Self) Run(ctx context.Context) error {
	tick := time.NewTicker(selfCheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if err := s.renew(now); err != nil {
				s.log.Warn("the certificate cannot be renewed; the old one stays", "err", err)
			}
		}
	}
}

// TLS implements Keeper.
func (s *Self) TLS() *tls.Config {
	return settings(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.current.Load(), nil })
}

// Trusted implements Keeper.
func (s *Self) Trusted() bool { return false }

// Host implements Keeper. Nobody finds the machine by its own name for sure.
func (s *Self) Host() string { return "" }

// Fingerprint returns the SHA-256 of the certificate as browsers show it, by
// which a person can tell it from another's.
func (s *Self) Fingerprint() string {
	sum := sha256.Sum256(s.current.Load().Certificate[0])
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}
