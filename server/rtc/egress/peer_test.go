package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// peer is a client made of its parts: a socket, one ICE check, and DTLS when
// the test wants it.
type peer struct {
	t      testing.TB
	viewer *Viewer
	wire   *wire
	pair   tls.Certificate
	conn   *dtls.Conn

	ufrag, password string // of the server
}

// wire is the socket as DTLS sees it: the test may lose datagrams.
type wire struct {
	*net.UDPConn
	server *net.UDPAddr

	// guarded by mu
	mu    sync.Mutex
	lose  func(inbound bool, b []byte) bool // nil for never
	heard [][]byte                          // of DTLS, what was lost included
	sent  [][]byte
}

func (w *wire) lost(inbound bool, b []byte) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	kept := append([]byte(nil), b...)
	if inbound {
		w.heard = append(w.heard, kept)
	} else {
		w.sent = append(w.sent, kept)
	}
	return w.lose != nil && w.lose(inbound, b)
}

func (w *wire) losing(f func(inbound bool, b []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lose = f
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.UDPConn.ReadFrom(b)
		if err != nil {
			return n, from, err
		}
		if n > 0 && b[0] >= 20 && b[0] < 64 && !w.lost(true, b[:n]) {
			return n, from, nil
		}
	}
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	if w.lost(false, b) {
		return len(b), nil
	}
	return w.UDPConn.WriteTo(b, to)
}

// raw sends what DTLS would not.
func (w *wire) raw(t testing.TB, datagrams ...[]byte) {
	t.Helper()
	for _, b := range datagrams {
		_, err := w.UDPConn.WriteTo(b, w.server)
		require.NoError(t, err)
	}
}

func newPair(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	pair, err := selfsign.SelfSign(key)
	require.NoError(t, err)
	return pair
}

var (
	fingerprintLine = regexp.MustCompile(`sha-256 [0-9A-F:]+`)
	ufragLine       = regexp.MustCompile(`ice-ufrag:(\S+)`)
	passwordLine    = regexp.MustCompile(`ice-pwd:(\S+)`)
)

// credentialsIn returns those that an answer names.
func credentialsIn(answer string) (ufrag, password string) {
	return ufragLine.FindStringSubmatch(answer)[1], passwordLine.FindStringSubmatch(answer)[1]
}

// offerOf is an offer of a client with this certificate.
func offerOf(pair tls.Certificate) string {
	sum := sha256.Sum256(pair.Certificate[0])
	return fingerprintLine.ReplaceAllString(chromiumOffer, "sha-256 "+colons(sum[:]))
}

// peer returns a client that has passed an ICE check.
func (s *stage) peer(t testing.TB) *peer {
	t.Helper()
	pair := newPair(t)
	sub, err := s.hub.Watch(context.Background(), watchGrant)
	require.NoError(t, err)
	v, answer, err := s.engine.Watch(sub, offered(t, offerOf(pair)))
	require.NoError(t, err)
	p := &peer{t: t, viewer: v, pair: pair, wire: newWire(t, net.UDPAddrFromAddrPort(s.engine.port.Announced()[0]))}
	p.ufrag, p.password = credentialsIn(answer)
	p.flush()
	return p
}

func newWire(t testing.TB, server *net.UDPAddr) *wire {
	t.Helper()
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	return &wire{UDPConn: socket, server: server}
}

// check sends an ICE check and waits for the answer: all that was sent before
// has then been handled.
func (w *wire) check(t testing.TB, ufrag, password string) {
	t.Helper()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(ufrag+":peer"),
		stun.NewShortTermIntegrity(password), stun.Fingerprint)
	require.NoError(t, err)
	w.raw(t, m.Raw)
	require.NoError(t, w.SetReadDeadline(time.Now().Add(10*time.Second)))
	b := make([]byte, 2048)
	for {
		n, _, err := w.UDPConn.ReadFrom(b)
		require.NoError(t, err)
		if n > 20 && b[0] == 1 && [12]byte(b[8:20]) == m.TransactionID {
			break
		}
	}
	require.NoError(t, w.SetReadDeadline(time.Time{}))
}

// shake shakes hands. Later options override.
func (p *peer) shake(ctx context.Context, o ...dtls.ClientOption) error {
	conn, err := dtls.ClientWithOptions(p.wire, p.wire.server, append([]dtls.ClientOption{
		dtls.WithCertificates(p.pair),
		dtls.WithInsecureSkipVerify(true),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithFlightInterval(100 * time.Millisecond),
	}, o...)...)
	require.NoError(p.t, err)
	p.t.Cleanup(func() { _ = conn.Close() })
	p.conn = conn
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return conn.HandshakeContext(ctx)
}

// connect returns a client whose handshake is done, on both sides.
func (s *stage) connect(t testing.TB) *peer {
	t.Helper()
	p := s.peer(t)
	require.NoError(t, p.shake(t.Context()))
	p.settled()
	return p
}

func (p *peer) settled() {
	p.t.Helper()
	require.Eventually(p.t, p.viewer.dtls.connected, 10*time.Second, time.Millisecond)
}

// ended waits for the viewer's end.
func (p *peer) ended() error {
	p.t.Helper()
	select {
	case <-p.viewer.Done():
	case <-time.After(10 * time.Second):
		p.t.Fatal("the viewer stayed")
	}
	return p.viewer.Reason()
}

// flush waits until the server has handled all that was sent. Nobody else may
// be reading the socket.
func (p *peer) flush() {
	p.t.Helper()
	p.wire.check(p.t, p.ufrag, p.password)
}
