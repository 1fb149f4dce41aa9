package handshake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stage is a desk and the port its sessions are at.
type stage struct {
	port *port.Port
	desk *Desk
}

func newStage(t testing.TB, change ...func(*Desk)) *stage {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	d, err := New(Config{Announced: p.Announced()})
	require.NoError(t, err)
	for _, f := range change {
		f(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	running.Go(func() { _ = d.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return &stage{port: p, desk: d}
}

// session is what owns an association: ICE, and nothing to send.
type session struct {
	port *port.Port
	dtls *Association
	done chan struct{}

	// guarded by mu
	mu     sync.Mutex
	agent  *lite.Agent
	reason error
	in     *srtp.Context
	out    *seal.Sealer

	// atomic
	to atomic.Pointer[netip.AddrPort]
}

func (s *stage) session(t testing.TB, f offer.Fingerprint) (*session, lite.Credentials) {
	t.Helper()
	v := &session{port: s.port, done: make(chan struct{})}
	v.dtls = s.desk.Open(v, f)
	v.mu.Lock()
	defer v.mu.Unlock()
	agent, c := lite.NewAgent(s.port, v, lite.Credentials{})
	require.NoError(t, agent.Open())
	v.agent = agent
	return v, c
}

func (v *session) Receive(b []byte, from netip.AddrPort) {
	if b[0] >= 4 {
		v.dtls.Receive(b, from)
		return
	}
	v.mu.Lock()
	agent := v.agent
	v.mu.Unlock()
	agent.Check(b, from)
}

func (v *session) Moved(to netip.AddrPort) { v.to.Store(&to) }

func (v *session) Send(b []byte) {
	if to := v.to.Load(); to != nil {
		_ = v.port.Send(b, *to)
	}
}

func (v *session) Secured(in *srtp.Context, out *seal.Sealer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.in, v.out = in, out
}

func (v *session) Close(reason error) {
	v.mu.Lock()
	if v.reason != nil {
		v.mu.Unlock()
		return
	}
	v.reason = reason
	agent := v.agent
	v.mu.Unlock()
	v.dtls.Close()
	agent.Close()
	close(v.done)
}

func (v *session) ended() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.reason
}

// peer is a client made of its parts: a socket, one ICE check, and DTLS when
// the test wants it.
type peer struct {
	t       testing.TB
	session *session
	wire    *wire
	pair    tls.Certificate
	conn    *dtls.Conn
	server  lite.Credentials
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

// printOf is the fingerprint of a certificate.
func printOf(pair tls.Certificate) offer.Fingerprint {
	sum := sha256.Sum256(pair.Certificate[0])
	return offer.Fingerprint{Hash: "sha-256", Value: colons(sum[:])}
}

// peer returns a client that has passed an ICE check.
func (s *stage) peer(t testing.TB) *peer {
	t.Helper()
	pair := newPair(t)
	v, c := s.session(t, printOf(pair))
	p := &peer{t: t, session: v, pair: pair, server: c, wire: newWire(t, net.UDPAddrFromAddrPort(s.port.Announced()[0]))}
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

// away takes the client's own goroutines away, and says nothing to the server.
func (p *peer) away() {
	p.wire.losing(func(bool, []byte) bool { return true })
	_ = p.conn.Close()
}

func (p *peer) settled() {
	p.t.Helper()
	require.Eventually(p.t, p.session.dtls.Connected, 10*time.Second, time.Millisecond)
}

// ended waits for the session's end.
func (p *peer) ended() error {
	p.t.Helper()
	select {
	case <-p.session.done:
	case <-time.After(10 * time.Second):
		p.t.Fatal("the session stayed")
	}
	return p.session.ended()
}

// flush waits until the server has handled all that was sent. Nobody else may
// be reading the socket.
func (p *peer) flush() {
	p.t.Helper()
	p.wire.check(p.t, p.server.Ufrag, p.server.Password)
}
