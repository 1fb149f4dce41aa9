package handshake

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/rtc/offer"
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
	require.NotEqual(t, a.desk.certificate.Certificate, b.desk.certificate.Certificate)
	key, ok := a.desk.certificate.PrivateKey.(*ecdsa.PrivateKey)
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
		require.False(t, p.session.dtls.Connected(), name)
	}
	p := s.peer(t)
	require.NoError(t, p.shake(t.Context(), dtls.WithSRTPProtectionProfiles(dtls.SRTP_AES128_CM_HMAC_SHA1_80, dtls.SRTP_AEAD_AES_128_GCM)))
	profile, ok := p.conn.SelectedSRTPProtectionProfile()
	require.True(t, ok)
	require.Equal(t, dtls.SRTP_AEAD_AES_128_GCM, profile, "the server's order counts")
	state, _ := p.conn.ConnectionState()
	require.Equal(t, dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, state.CipherSuiteID)
}

func TestNoSRTPIsNoSession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	conn, err := dtls.ClientWithOptions(p.wire, p.wire.server, dtls.WithCertificates(p.pair), dtls.WithInsecureSkipVerify(true))
	require.NoError(t, err)
	defer conn.Close()
	// The server's end may come before the client's handshake has returned.
	if err = conn.HandshakeContext(t.Context()); err != nil {
		require.ErrorContains(t, err, "CloseNotify")
	} else {
		_, err = conn.Read(make([]byte, 10))
		require.ErrorIs(t, err, io.EOF)
	}
	require.ErrorIs(t, p.ended(), errProfile)
}

// 17.2.8: the peer's certificate is the one that signalling named.
func TestASVS_17_2_8_ForeignCertificateEndsTheSession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	own := p.pair
	p.pair = newPair(t)
	require.Error(t, p.shake(t.Context()), "the client is told during the handshake")
	require.ErrorIs(t, p.ended(), ErrFingerprint)

	p = s.peer(t)
	p.pair = tls.Certificate{Certificate: p.pair.Certificate, PrivateKey: own.PrivateKey}
	require.Error(t, p.shake(t.Context()), "the right certificate without its key")
	require.False(t, p.session.dtls.Connected())

	p = s.peer(t)
	conn, err := dtls.ClientWithOptions(p.wire, p.wire.server, dtls.WithInsecureSkipVerify(true),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM))
	require.NoError(t, err)
	defer conn.Close()
	require.Error(t, conn.HandshakeContext(t.Context()), "no certificate")
	require.False(t, p.session.dtls.Connected())
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
				case <-time.After(100 * time.Microsecond): // as fast as it can would only starve the client in this process
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
	require.Zero(t, s.desk.count.failed.Value())
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
// the session: the client's next hello begins another.
func TestForgedHandshakeIsOutlived(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	p := s.peer(t)
	for i := range maxTries - 1 {
		p.wire.raw(t, hello)
		p.wire.raw(t, record(alertRecord, 0, 9, []byte{2, 40}))
		require.Eventually(t, func() bool { return s.desk.count.failed.Value() == uint64(i+1) }, 10*time.Second, time.Millisecond)
	}
	p.flush() // what was answered to the forger
	require.NoError(t, p.shake(t.Context()))
	p.settled()
}

func TestHandshakesThatFailEndTheSession(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	p := s.peer(t)
	for i := range maxTries {
		p.wire.raw(t, hello)
		p.wire.raw(t, record(alertRecord, 0, 9, []byte{2, 40}))
		require.Eventually(t, func() bool { return s.desk.count.failed.Value() == uint64(i+1) }, 10*time.Second, time.Millisecond)
	}
	require.ErrorIs(t, p.ended(), ErrFailed)
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
	before := s.desk.count.failed.Value()
	for seq := range uint64(10_000) {
		body[6], body[7] = byte(seq>>8), byte(seq) // its offset
		p.session.Receive(record(handshakeRecord, 0, seq, body), from)
		if seq%8 == 7 {
			runtime.Gosched()
		}
		if p.session.ended() != nil {
			break
		}
	}
	require.ErrorIs(t, p.ended(), ErrFailed)
	require.Equal(t, before+maxTries, s.desk.count.failed.Value())
}

// halfOpen has n sessions whose clients say hello and nothing more, each from
// a network of its own.
func (s *stage) halfOpen(t *testing.T, n int, hello []byte) {
	t.Helper()
	print, all := printOf(newPair(t)), make([]*session, n)
	for i := range all {
		all[i], _ = s.session(t, print)
	}
	for i, v := range all {
		v.Receive(hello, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 5000))
	}
	t.Cleanup(func() {
		for _, v := range all {
			v.Close(errGone)
		}
	})
}

func (d *Desk) counts() (running, waiting, near int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.running), len(d.waiting), len(d.near) + len(d.sites) + len(d.shares)
}

// footprint returns goroutines and bytes of heap in use.
func footprint() (goroutines int, heap uint64) {
	runtime.GC()
	runtime.GC() // pools give up what they hold only the second time
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc + m.StackInuse
}

// It does not run beside other tests, whose memory would be counted.
func TestFiveThousandHalfOpenHandshakes(t *testing.T) {
	s := newStage(t, func(d *Desk) { d.limit = 500 * time.Millisecond })
	hello := capturedHello(t, s)
	before := s.connect(t)
	goroutines, heap := footprint()
	s.halfOpen(t, 5000, hello)
	running, waiting, _ := s.desk.counts()
	require.LessOrEqual(t, running, maxHandshakes)
	require.LessOrEqual(t, waiting, maxWaiting+maxReserved)
	_, during := footprint()
	t.Logf("5000 sessions whose client said hello: %d MB, %d handshakes and %d waiting", (during-heap)>>20, running, waiting)
	require.Less(t, during, heap+64<<20, "bytes")
	require.Positive(t, s.desk.count.refused.Value())
	require.Eventually(t, func() bool {
		running, waiting, near := s.desk.counts()
		return running+waiting+near == 0
	}, 20*time.Second, 10*time.Millisecond, "given up after their time")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+5 }, 10*time.Second, 10*time.Millisecond, "goroutines")
	require.NoError(t, before.session.ended())
	s.connect(t)
	_, after := footprint()
	require.Less(t, after, heap+16<<20, "bytes: the sessions are still there, their handshakes are not")
}

func TestHandshakesOfOneNetwork(t *testing.T) {
	t.Parallel()
	d, err := New(Config{Announced: []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:8080")}})
	require.NoError(t, err)
	enter := func(addr string) bool {
		return d.enter(&attempt{network: d.network(netip.AddrPortFrom(netip.MustParseAddr(addr), 5000))})
	}
	for range maxHandshakesNear / 2 {
		require.True(t, enter("2001:db8::1"))
		require.True(t, enter("2001:db8::2"))
	}
	require.False(t, enter("2001:db8::3"), "one /64 is one network")
	require.True(t, enter("2001:db8:0:1::1"))
	for range 2 * maxHandshakesNear {
		require.True(t, enter("127.0.0.1"))
	}
	for range maxHandshakesNear {
		d.ended(d.next())
	}
	require.True(t, enter("2001:db8::3"), "places come back")
}

// Who has a /48 of IPv6, as many a customer does, has 65,536 networks, and yet
// leaves room for others.
func TestHandshakesOfOneSite(t *testing.T) {
	t.Parallel()
	d, err := New(Config{})
	require.NoError(t, err)
	enter := func(a netip.Addr) bool { return d.enter(&attempt{network: d.network(netip.AddrPortFrom(a, 5000))}) }
	taken := 0
	for network := range maxHandshakes + maxWaiting {
		if enter(netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, byte(network >> 8), byte(network), 15: 1})) {
			taken++
		}
	}
	require.Equal(t, maxHandshakesSite, taken)
	require.True(t, enter(netip.MustParseAddr("2001:db8:1::1")))
	require.True(t, enter(netip.MustParseAddr("203.0.113.1")))
	for a := d.next(); a != nil; a = d.next() {
		d.ended(a)
	}
	require.Empty(t, d.near)
	require.Empty(t, d.sites)
}

func TestHandshakesStartInOrder(t *testing.T) {
	t.Parallel()
	d, err := New(Config{})
	require.NoError(t, err)
	var all []*attempt
	for range maxHandshakes + maxWaiting {
		a := &attempt{}
		all = append(all, a)
		require.True(t, d.enter(a))
		if len(all) <= maxHandshakes {
			require.Same(t, a, d.next())
		}
	}
	require.False(t, d.enter(&attempt{}))
	require.Nil(t, d.next())
	d.leave(all[maxHandshakes])
	d.leave(all[0]) // which runs
	d.ended(all[0])
	require.Same(t, all[maxHandshakes+1], d.next())
	require.Nil(t, d.next())
	require.True(t, d.enter(&attempt{}))
}

// A few strangers who say hello and nothing more take all places, but keep
// nobody out: who comes from elsewhere takes one of theirs, once it is clear that
// they are slow.
func TestHalfOpenHandshakesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	d, err := New(Config{})
	require.NoError(t, err)
	from := func(i int) *attempt {
		return &attempt{network: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 0), pipe: newPipe(func([]byte) {})}
	}
	const strangers = (maxHandshakes + maxWaiting) / maxHandshakesNear
	var all []*attempt
	for range maxHandshakesNear {
		for i := range strangers {
			all = append(all, from(i))
			require.True(t, d.enter(all[len(all)-1]))
			d.next()
		}
	}
	require.False(t, d.enter(from(0)))
	require.Nil(t, d.next(), "a stranger's own do not give way to it")
	guests := []*attempt{from(1000), from(1001), from(1002)}
	for _, a := range guests {
		require.True(t, d.enter(a))
	}
	require.Nil(t, d.next(), "those that run may be honest")
	for _, a := range d.running {
		a.began = a.began.Add(-soonDone)
	}
	for _, a := range guests {
		require.Same(t, a, d.next())
	}
	require.Nil(t, d.next())
	var broken []*attempt
	for _, a := range all {
		select {
		case <-a.pipe.done:
			broken = append(broken, a)
			d.ended(a) // as its goroutine says when it has seen it
		default:
		}
	}
	require.Len(t, broken, len(guests))
	for _, a := range broken {
		require.Contains(t, all[:strangers], a, "the oldest of one stranger")
	}
	require.Len(t, d.running, maxHandshakes)
	require.Len(t, d.waiting, maxWaiting)
	require.False(t, d.enter(from(1000)), "one place for each")

	for a := d.running[0]; a != nil; a = d.next() {
		d.ended(d.running[0])
	}
	for len(d.running) > 0 {
		d.ended(d.running[0])
	}
	require.Empty(t, d.shares)
	require.Empty(t, d.near)
	require.Empty(t, d.sites)
}

// A few strangers behind the relay keep out nobody else who comes by it, though
// all have its address.
func TestRelayedHandshakesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	own := netip.MustParseAddr("198.51.100.1")
	d, err := New(Config{Announced: []netip.AddrPort{netip.AddrPortFrom(own, 8080)}})
	require.NoError(t, err)
	from := func(a netip.Addr, port uint16) *attempt {
		return &attempt{network: d.network(netip.AddrPortFrom(a, port)), pipe: newPipe(func([]byte) {})}
	}
	honest := from(own, 1024)
	require.True(t, d.enter(honest))
	require.Same(t, honest, d.next())
	for range maxHandshakesNear {
		for i := range uint16((maxHandshakes + maxWaiting) / maxHandshakesNear) {
			d.enter(from(own, 1026+2*i))
			d.next()
		}
	}
	require.False(t, d.enter(from(own, 1026)), "one relayed address has had its share")
	require.Len(t, d.running, maxHandshakes)
	for _, a := range d.running {
		a.began = a.began.Add(-soonDone)
	}
	for _, a := range []*attempt{from(own, 2000), from(own, 2002), from(netip.MustParseAddr("203.0.113.9"), 5000)} {
		require.True(t, d.enter(a))
		require.Same(t, a, d.next())
	}
	require.Contains(t, d.running, honest, "the oldest of all is not of the site that has most")
}

// A session whose handshake gives way to another's has lost none of its tries.
func TestGivingWayIsNoTry(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	hello := capturedHello(t, s)
	before := s.desk.count.failed.Value()
	p := s.peer(t)
	for i := range 2 * maxTries {
		p.wire.raw(t, hello)
		var a *attempt
		require.Eventually(t, func() bool {
			p.session.dtls.mu.Lock()
			a = p.session.dtls.attempt
			p.session.dtls.mu.Unlock()
			return a != nil
		}, 10*time.Second, time.Millisecond)
		a.brokenOff.Store(true)
		_ = a.pipe.Close()
		require.Eventually(t, func() bool { return s.desk.count.failed.Value() == before+uint64(i+1) }, 10*time.Second, time.Millisecond)
	}
	require.NoError(t, p.session.ended())
	p.flush()
	p.session.dtls.unproven.Store(0)
	require.NoError(t, p.shake(t.Context()))
}

// When everybody has one place, nobody loses it.
func TestHandshakesOfManyAreLeftAlone(t *testing.T) {
	t.Parallel()
	d, err := New(Config{})
	require.NoError(t, err)
	for i := range maxHandshakes + 1 {
		a := &attempt{network: netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 0), pipe: newPipe(func([]byte) {})}
		require.True(t, d.enter(a))
		if i < maxHandshakes {
			require.Same(t, a, d.next())
			a.began = a.began.Add(-soonDone)
		}
	}
	require.Nil(t, d.next())
}

// Of what a handshake repeats while it hears nothing, an address gets a few
// flights: it may be a stranger's, whose address somebody has forged.
func TestUnprovenAddressGetsFewBytes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	for range 10 {
		p.session.dtls.send(append([]byte{handshakeRecord}, make([]byte, 999)...))
	}
	got, b := 0, make([]byte, 2048)
	require.NoError(t, p.wire.SetReadDeadline(time.Now().Add(10*time.Second)))
	for got < maxUnproven/1000*1000 {
		n, _, err := p.wire.UDPConn.ReadFrom(b)
		require.NoError(t, err)
		got += n
	}
	require.NoError(t, p.wire.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, _, err := p.wire.UDPConn.ReadFrom(b)
	require.Error(t, err, "there is no more")
}

func TestCertificateMatches(t *testing.T) {
	t.Parallel()
	pair := newPair(t)
	f := printOf(pair)
	require.True(t, matches(f, pair.Certificate[0]))
	require.False(t, matches(f, newPair(t).Certificate[0]))
	for hash, sum := range map[string]string{
		"sha-384": fmt.Sprintf("% X", sha512.Sum384(pair.Certificate[0])),
		"sha-512": fmt.Sprintf("% X", sha512.Sum512(pair.Certificate[0])),
	} {
		require.True(t, matches(offer.Fingerprint{Hash: hash, Value: strings.ReplaceAll(sum, " ", ":")}, pair.Certificate[0]), hash)
	}
	f.Hash = "sha-1"
	require.False(t, matches(f, pair.Certificate[0]))
}

// A client that says hello and nothing more is not waited for.
func TestHandshakeThatStops(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	v, _ := s.session(t, printOf(newPair(t)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- v.dtls.secure(ctx, newPipe(v.Send)) }()
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, ErrFailed)
	case <-time.After(10 * time.Second):
		t.Fatal("the handshake goes on")
	}
}
