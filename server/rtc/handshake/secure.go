package handshake

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

// server returns the library's side of a handshake. There is no cookie
// exchange: only an address that has passed an ICE check gets here, which
// proves more than a cookie, and saves a round trip.
func (a *Association) server(p *pipe, s *secrets) (*dtls.Conn, error) {
	return dtls.ServerWithOptions(p, p.RemoteAddr(),
		dtls.WithCertificates(a.desk.certificate),
		// Every WebRTC endpoint has this suite (RFC 8827 section 6.5), and settled knows no other.
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
		// The first takes the least time by far.
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithVerifyPeerCertificate(a.verify),
		dtls.WithInsecureSkipVerifyHello(true),
		dtls.WithKeyLogWriter(s),
		dtls.WithServerHelloMessageHook(s.hello))
}

// verify compares the certificate, whose key the client has shown to own by
// now, with the fingerprint of the offer: that is all the trust there is (RFC
// 8827 section 5.6.4).
func (a *Association) verify(certificates [][]byte, _ [][]*x509.Certificate) error {
	if len(certificates) == 0 || !matches(a.print, certificates[0]) {
		return ErrFingerprint
	}
	return nil
}

// secure shakes hands and gives the owner the keys. Then it closes the
// library's connection, whose goroutines end with it, without the client
// hearing of it: settled does the rest.
func (a *Association) secure(ctx context.Context, p *pipe) error {
	var s secrets
	conn, err := a.server(p, &s)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	in, out, err := keys(conn)
	if err != nil {
		_ = conn.Close()
		return err
	}
	p.mute()
	_ = conn.Close()
	kept, err := s.settle(p)
	if err != nil {
		return err
	}
	alert, ok := a.settle(kept, p)
	if !ok {
		a.goodbye(kept)
		return nil
	}
	a.owner.Secured(in, out)
	if alert != nil {
		a.Receive(alert, netip.AddrPort{})
	}
	return nil
}

// keys derives what opens and seals SRTP (RFC 5764 section 4.2).
func keys(conn *dtls.Conn) (in *srtp.Context, out *seal.Sealer, err error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, nil, ErrFailed
	}
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, nil, fmt.Errorf("%w: %w", ErrFailed, errProfile)
	}
	profile := srtp.ProtectionProfile(chosen)
	key, errKey := profile.KeyLen()
	salt, errSalt := profile.SaltLen()
	if err := errors.Join(errKey, errSalt); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(key+salt))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	in, errIn := srtp.CreateContext(m[:key], m[2*key:2*key+salt], profile, srtp.SRTCPReplayProtection(64))
	out, errOut := seal.New(profile, m[key:2*key], m[2*key+salt:])
	return in, out, errors.Join(errIn, errOut)
}

// matches tells whether a certificate in DER has this fingerprint (RFC 8122
// section 5).
func matches(f offer.Fingerprint, der []byte) bool {
	var sum []byte
	switch f.Hash {
	case "sha-256":
		s := sha256.Sum256(der)
		sum = s[:]
	case "sha-384":
		s := sha512.Sum384(der)
		sum = s[:]
	case "sha-512":
		s := sha512.Sum512(der)
		sum = s[:]
	default:
		return false
	}
	return subtle.ConstantTimeCompare([]byte(colons(sum)), []byte(f.Value)) == 1
}

// colons writes a hash as "AB:CD:…".
func colons(sum []byte) string {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, 3*len(sum))
	for i, x := range sum {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[x>>4], digits[x&15])
	}
	return string(b)
}
