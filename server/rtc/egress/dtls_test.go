package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/stretchr/testify/require"
)

// OWASP ASVS 5.0, 17.2.1: the key of the DTLS certificate is managed and
// protected. It is made anew for every start and kept in memory only.
func TestASVS_17_2_1_CertificateIsNewAndNeverWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("HOME", ".")
	t.Setenv("SSLKEYLOGFILE", "keys")
	a, b := newStage(t), newStage(t)
	require.NotEqual(t, a.engine.certificate.Certificate, b.engine.certificate.Certificate)
	key, ok := a.engine.certificate.PrivateKey.(*ecdsa.PrivateKey)
	require.True(t, ok)
	require.Equal(t, elliptic.P256(), key.Curve)
	a.connect(t)
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	require.Empty(t, files)
}

// 17.2.2: strong DTLS cipher suites and SRTP profiles only.
func TestASVS_17_2_2_StrongSuitesAndProfilesOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, o := range map[string]dtls.ClientOption{
		"CBC":           dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA),
		"CCM with 8":    dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8),
		"no encryption": dtls.WithSRTPProtectionProfiles(dtls.SRTP_NULL_HMAC_SHA1_80),
		"a short tag":   dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_32),
		"old master":    dtls.WithExtendedMasterSecret(dtls.DisableExtendedMasterSecret),
	} {
		p := s.peer(t)
		require.Error(t, p.shake(t.Context(), o), name)
		require.False(t, p.viewer.dtls.connected(), name)
	}
	p := s.peer(t)
	require.NoError(t, p.shake(t.Context(), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)))
	profile, ok := p.conn.SelectedSRTPProtectionProfile()
	require.True(t, ok)
	require.Equal(t, dtls.SRTP_AEAD_AES_128_GCM, profile, "the server's order counts")
	state, _ := p.conn.ConnectionState()
	require.Equal(t, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, state.CipherSuiteID)
}

func TestNoSRTPIsNoViewer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	conn, err := dtls.ClientWithOptions(p.wire, p.wire.server, dtls.WithCertificates(p.pair), dtls.WithInsecureSkipVerify(true))
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.HandshakeContext(t.Context()))
	_, err = conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, io.EOF)
	require.ErrorIs(t, p.ended(), errProfile)
}

// 17.2.8: the peer's certificate is the one that signalling named.
func TestASVS_17_2_8_ForeignCertificateEndsTheViewer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	p := s.peer(t)
	own := p.pair
	p.pair = newPair(t)
	require.Error(t, p.shake(t.Context()), "the client is told during the handshake")
	require.ErrorIs(t, p.ended(), ErrFingerprint)

	p = s.peer(t)
	p.pair = tls.Certificate{Certificate: p.pair.Certificate, PrivateKey: own.PrivateKey}
	require.Error(t, p.shake(t.Context()), "the right certificate without its key")
	require.False(t, p.viewer.dtls.connected())

	p = s.peer(t)
	conn, err := dtls.ClientWithOptions(p.wire, p.wire.server, dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	require.NoError(t, err)
	defer conn.Close()
	require.Error(t, conn.HandshakeContext(t.Context()), "no certificate")
	require.False(t, p.viewer.dtls.connected())
	require.Zero(t, s.engine.count.packets.Value())
}

// 17.2.6: hellos that come before the client's, from elsewhere, change nothing.
func TestASVS_17_2_6_ForeignHellosDuringConnects(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	done := make(chan struct{})
	var spray sync.WaitGroup
	for range 2 {
		w := newWire(t, s.peer(t).wire.server)
		spray.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, _ = w.UDPConn.WriteTo(hello, w.server)
				}
			}
		})
	}
	var failed []error
	for range 10 {
		failed = append(failed, s.peer(t).shake(t.Context()))
	}
	close(done)
	spray.Wait()
	for _, err := range failed {
		require.NoError(t, err)
	}
	require.Zero(t, s.engine.handshakes.count.failed.Value())
}

// capturedHello is a client's first datagram.
func capturedHello(t testing.TB, s *stage) []byte {
	t.Helper()
	p := s.peer(t)
	p.wire.losing(func(bool, []byte) bool { return true })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	require.Error(t, p.shake(ctx))
	require.True(t, isHello(p.wire.sent[0]))
	return p.wire.sent[0]
}

// Even with the client's own address, a forger makes one handshake fail, not
// the viewer: the client's next hello begins another.
func TestForgedHandshakeIsOutlived(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	p := s.peer(t)
	for i := range maxTries - 1 {
		p.wire.raw(t, hello)
		p.wire.raw(t, record(alertRecord, 0, 9, []byte{2, 40}))
		require.Eventually(t, func() bool { return s.engine.handshakes.count.failed.Value() == uint64(i+1) }, 10*time.Second, time.Millisecond)
	}
	p.flush() // what was answered to the forger
	require.NoError(t, p.shake(t.Context()))
	p.settled()
}

func TestHandshakesThatFailEndTheViewer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	p := s.peer(t)
	for i := range maxTries {
		p.wire.raw(t, hello)
		p.wire.raw(t, record(alertRecord, 0, 9, []byte{2, 40}))
		require.Eventually(t, func() bool { return s.engine.handshakes.count.failed.Value() == uint64(i+1) }, 10*time.Second, time.Millisecond)
	}
	require.ErrorIs(t, p.ended(), ErrHandshake)
}

// Fragments of a message that never becomes whole are taken up to a bound.
func TestEndlessFragments(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	from := netip.MustParseAddrPort("192.0.2.1:5000")
	body := make([]byte, 12+1000)
	body[0], body[1] = 1, 0xff // ClientHello of 16 MB
	binary.BigEndian.PutUint16(body[10:], 1000)
	before := s.engine.handshakes.count.failed.Value()
	for seq := range uint64(10_000) {
		body[6], body[7] = byte(seq>>8), byte(seq) // its offset
		p.viewer.Receive(record(handshakeRecord, 0, seq, body), from)
		if seq%8 == 7 {
			runtime.Gosched()
		}
		if p.viewer.Reason() != nil {
			break
		}
	}
	require.ErrorIs(t, p.ended(), ErrHandshake)
	require.Equal(t, before+maxTries, s.engine.handshakes.count.failed.Value())
}

// halfOpen has n viewers that say hello and nothing more, each from a network
// of its own.
func (s *stage) halfOpen(t *testing.T, n int, hello []byte) {
	t.Helper()
	o := offered(t, offerOf(newPair(t)))
	viewers := make([]*Viewer, n)
	for i := range viewers {
		sub, err := s.hub.Watch(context.Background(), watchGrant)
		require.NoError(t, err)
		v, _, err := s.engine.Watch(sub, o)
		require.NoError(t, err)
		viewers[i] = v
	}
	for i, v := range viewers {
		v.Receive(hello, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 5000))
	}
}

func (h *handshakes) counts() (running, waiting, near int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running, len(h.waiting), len(h.near)
}

// It does not run beside other tests, whose memory would be counted.
func TestFiveThousandHalfOpenHandshakes(t *testing.T) {
	s := newStage(t, func(e *Engine) { e.handshakes.limit = 500 * time.Millisecond })
	s.frame(true, 1)
	hello := capturedHello(t, s)
	watching := s.connect(t)
	goroutines, heap := footprint()
	s.halfOpen(t, 5000, hello)
	running, waiting, _ := s.engine.handshakes.counts()
	require.LessOrEqual(t, running, maxHandshakes)
	require.LessOrEqual(t, waiting, maxWaiting)
	_, during := footprint()
	t.Logf("%d viewers that said hello: %d MB of heap, %d handshakes and %d waiting", 5000, (during-heap)>>20, running, waiting)
	require.Less(t, during, heap+128<<20, "bytes of heap")
	require.Positive(t, s.engine.handshakes.count.refused.Value())
	require.Eventually(t, func() bool {
		running, waiting, near := s.engine.handshakes.counts()
		return running+waiting+near == 0
	}, 20*time.Second, 10*time.Millisecond, "given up after their time")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+5 }, 10*time.Second, 10*time.Millisecond, "goroutines")
	s.connect(t)
	for _, v := range s.engine.all() {
		if v != watching.viewer {
			v.expire(v.created.Add(connectTimeout + 1))
		}
	}
	require.NoError(t, watching.viewer.Reason())
	_, after := footprint()
	require.Less(t, after, heap+4<<20, "bytes of heap")
}

func TestHandshakesOfOneNetwork(t *testing.T) {
	t.Parallel()
	h := newHandshakes([]netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:8080")}, nil)
	enter := func(addr string) bool { return h.enter(&attempt{network: h.network(netip.MustParseAddr(addr))}) }
	for range maxHandshakesNear / 2 {
		require.True(t, enter("2001:db8::1"))
		require.True(t, enter("2001:db8::2"))
	}
	require.False(t, enter("2001:db8::3"), "one /64 is one network")
	require.True(t, enter("2001:db8:0:1::1"))
	for range 2 * maxHandshakesNear {
		require.True(t, enter("127.0.0.1"))
		require.True(t, enter("198.51.100.1"), "relayed")
	}
	for range maxHandshakesNear {
		h.ended(h.next())
	}
	require.True(t, enter("2001:db8::3"), "places come back")
}

func TestHandshakesStartInOrder(t *testing.T) {
	t.Parallel()
	h := newHandshakes(nil, nil)
	var all []*attempt
	for range maxHandshakes + maxWaiting {
		a := &attempt{}
		all = append(all, a)
		require.True(t, h.enter(a))
		if len(all) <= maxHandshakes {
			require.Same(t, a, h.next())
		}
	}
	require.False(t, h.enter(&attempt{}))
	require.Nil(t, h.next())
	h.leave(all[maxHandshakes])
	h.leave(all[0]) // which runs
	h.ended(all[0])
	require.Same(t, all[maxHandshakes+1], h.next())
	require.Nil(t, h.next())
	require.True(t, h.enter(&attempt{}))
}

func TestCertificateMatches(t *testing.T) {
	t.Parallel()
	pair := newPair(t)
	o := offered(t, offerOf(pair))
	require.True(t, matches(o.Fingerprint, pair.Certificate[0]))
	require.False(t, matches(o.Fingerprint, newPair(t).Certificate[0]))
	o.Fingerprint.Hash = strings.Replace(o.Fingerprint.Hash, "256", "1", 1)
	require.False(t, matches(o.Fingerprint, pair.Certificate[0]))
}
