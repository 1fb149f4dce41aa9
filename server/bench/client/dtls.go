package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

var (
	errPrint   = errors.New("the server's certificate is not the one that its answer named")
	errProfile = errors.New("the server took none of the SRTP profiles")
)

// keys protect what is received and what is sent.
type keys struct {
	in, out *srtp.Context
	header  rtp.Header // scratch of who opens
	sealed  []byte     // scratch of who seals
}

// pipe is the packet connection that DTLS sees.
type pipe struct {
	// set at construction
	client *Client
	in     chan []byte
	done   chan struct{}

	once sync.Once
	// atomic
	mute atomic.Bool // nothing is sent any more
}

func newPipe(c *Client) *pipe {
	return &pipe{client: c, in: make(chan []byte, 16), done: make(chan struct{})}
}

// put hands a datagram to DTLS; it is dropped when DTLS does not keep up.
func (p *pipe) put(b []byte) {
	select {
	case p.in <- append([]byte(nil), b...):
	default:
	}
}

// ReadFrom blocks until a datagram comes or the pipe is closed.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-p.in:
		return copy(b, d), p.LocalAddr(), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	}
}

// WriteTo sends to wherever the server is.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	if to := p.client.path.Load(); to != nil && !p.mute.Load() {
		p.client.send(b, *to)
	}
	return len(b), nil
}

// Close ends ReadFrom; it may be called twice.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// LocalAddr is constant, as DTLS only compares addresses.
func (p *pipe) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }

// SetDeadline does nothing: Close ends what waits.
func (p *pipe) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (p *pipe) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// handshake runs DTLS in the role that the answer leaves to us and returns
// the keys.
func (c *Client) handshake(ctx context.Context) (*keys, error) {
	conn, err := c.dtlsConn()
	if err != nil {
		return nil, fmt.Errorf("no DTLS: %w", err)
	}
	c.dtls = conn
	stop := context.AfterFunc(ctx, func() { _ = c.pipe.Close() }) // the pipe has no deadlines
	defer stop()
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("the DTLS handshake failed: %w", err)
	}
	state, ok := conn.ConnectionState()
	if !ok || len(state.PeerCertificates) == 0 || fingerprint(state.PeerCertificates[0]) != c.answer.print {
		return nil, errPrint
	}
	chosen, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errProfile
	}
	return deriveKeys(state, srtp.ProtectionProfile(chosen), c.answer.active)
}

func (c *Client) dtlsConn() (*dtls.Conn, error) {
	certificates := dtls.WithCertificates(c.identity.certificate)
	trust := dtls.WithInsecureSkipVerify(true) // the fingerprint is checked instead
	secret := dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret)
	// GCM first: the other profile costs six times as much CPU on both sides.
	profiles := dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	quiet := dtls.WithLoggerFactory(&logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled})
	if c.answer.active {
		return dtls.ServerWithOptions(c.pipe, c.pipe.LocalAddr(), certificates, trust, secret, profiles, quiet,
			dtls.WithClientAuth(dtls.RequireAnyClientCert))
	}
	return dtls.ClientWithOptions(c.pipe, c.pipe.LocalAddr(), certificates, trust, secret, profiles, quiet)
}

// deriveKeys makes the SRTP contexts (RFC 5764 section 4.2). server is true
// when we were the DTLS server.
func deriveKeys(state dtls.State, profile srtp.ProtectionProfile, server bool) (*keys, error) {
	key, errKey := profile.KeyLen()
	salt, errSalt := profile.SaltLen()
	if err := errors.Join(errKey, errSalt); err != nil {
		return nil, fmt.Errorf("%w: %w", errProfile, err)
	}
	m, err := state.ExportKeyingMaterial("EXTRACTOR-dtls_srtp", nil, 2*(key+salt))
	if err != nil {
		return nil, fmt.Errorf("no keys for SRTP: %w", err)
	}
	ofClient, errClient := srtp.CreateContext(m[:key], m[2*key:2*key+salt], profile)
	ofServer, errServer := srtp.CreateContext(m[key:2*key], m[2*key+salt:], profile)
	if err := errors.Join(errClient, errServer); err != nil {
		return nil, fmt.Errorf("no keys for SRTP: %w", err)
	}
	if server {
		return &keys{in: ofClient, out: ofServer}, nil
	}
	return &keys{in: ofServer, out: ofClient}, nil
}

// listen waits until the server closes DTLS or the client does.
func (c *Client) listen() {
	var b [1]byte
	var temporary *dtls.TemporaryError
	var err error
	for err == nil || errors.As(err, &temporary) { // temporary: data, which nobody negotiated
		_, err = c.dtls.Read(b[:])
	}
	close(c.ended)
}
