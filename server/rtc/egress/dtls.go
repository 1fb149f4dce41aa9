package egress

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/pion/dtls/v3"
	"github.com/pion/srtp/v3"
)

const handshakeTimeout = 10 * time.Second

// Ends of a viewer that its own transport brings about.
var (
	ErrFingerprint = errors.New("the certificate is not the one that the offer named")
	ErrHandshake   = errors.New("the DTLS handshake failed")
	ErrHungUp      = errors.New("the viewer closed the connection")
)

// pipe is the packet connection that DTLS sees: what arrives is put in by the
// port's reader, what leaves goes to wherever the viewer is.
type pipe struct {
	viewer *Viewer
	in     chan []byte
	done   chan struct{}
	once   sync.Once
}

func newPipe(v *Viewer) *pipe {
	return &pipe{viewer: v, in: make(chan []byte, 16), done: make(chan struct{})}
}

// put hands one datagram to DTLS; it is dropped when DTLS does not keep up.
func (p *pipe) put(b []byte) {
	select {
	case p.in <- append([]byte(nil), b...):
	default:
	}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.in:
		return copy(b, d), p.RemoteAddr(), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	}
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	if to := p.viewer.to.Load(); to != nil {
		p.viewer.engine.send(b, *to)
	}
	return len(b), nil
}

func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// RemoteAddr is constant, whatever the viewer's address: DTLS only compares it.
func (p *pipe) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4zero, Port: 1} }

func (p *pipe) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }
func (p *pipe) SetDeadline(time.Time) error      { return nil }
func (p *pipe) SetReadDeadline(time.Time) error  { return nil }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// handshake runs DTLS to its end: keys first, then until either side closes.
func (v *Viewer) handshake(ctx context.Context) {
	defer func() {
		if fault := recover(); fault != nil {
			v.engine.log.Error("viewer's handshake", "panic", fault)
			v.Close(ErrHandshake)
		}
	}()
	conn, err := v.secure(ctx)
	if err != nil {
		v.Close(err)
		return
	}
	var b [1]byte
	var temporary *dtls.TemporaryError
	for err == nil || errors.As(err, &temporary) { // temporary: data, which nobody negotiated
		_, err = conn.Read(b[:])
	}
	v.Close(ErrHungUp)
	_ = conn.Close()
}

// secure shakes hands, checks the certificate and gives the shard the keys.
func (v *Viewer) secure(ctx context.Context) (*dtls.Conn, error) {
	conn, err := dtls.ServerWithOptions(v.pipe, v.pipe.RemoteAddr(),
		dtls.WithCertificates(v.engine.certificate),
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithInsecureSkipVerify(true), // the fingerprint is checked instead
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = v.pipe.Close() }) // the pipe has no deadlines
	defer stop()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	in, out, err := v.keys(conn)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	v.in.use(in)
	v.mu.Lock()
	v.conn = conn
	v.mu.Unlock()
	v.shard.post(v, func(s *shard, v *Viewer) { s.add(v, out) })
	return conn, nil
}

// keys derives the SRTP contexts (RFC 5764 section 4.2).
func (v *Viewer) keys(conn *dtls.Conn) (in, out *srtp.Context, err error) {
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, nil, ErrHandshake
	}
	if len(state.PeerCertificates) == 0 || !matches(v.print, state.PeerCertificates[0]) {
		return nil, nil, ErrFingerprint
	}
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, nil, fmt.Errorf("%w: no SRTP profile in common", ErrHandshake)
	}
	profile := srtp.ProtectionProfile(chosen)
	key, errKey := profile.KeyLen()
	salt, errSalt := profile.SaltLen()
	if err := errors.Join(errKey, errSalt); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(key+salt))
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	in, errIn := srtp.CreateContext(m[:key], m[2*key:2*key+salt], profile, srtp.SRTCPReplayProtection(64))
	out, errOut := srtp.CreateContext(m[key:2*key], m[2*key+salt:], profile)
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
