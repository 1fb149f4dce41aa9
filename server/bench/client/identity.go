package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
)

// Identity is a certificate for DTLS. Any number of clients may share one, as
// making it would cost more than a join.
type Identity struct {
	// set at construction
	certificate tls.Certificate
	print       string // "AB:CD…" of SHA-256
}

// NewIdentity makes a certificate.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("no key for DTLS: %w", err)
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return nil, fmt.Errorf("no certificate for DTLS: %w", err)
	}
	return &Identity{certificate: certificate, print: fingerprint(certificate.Certificate[0])}, nil
}

// fingerprint is the SHA-256 of a certificate in DER as "AB:CD…" (RFC 8122
// section 5).
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	text := fmt.Appendf(nil, "% X", sum[:])
	for i, c := range text {
		if c == ' ' {
			text[i] = ':'
		}
	}
	return string(text)
}
