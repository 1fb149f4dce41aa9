package turn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	pionturn "github.com/pion/turn/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/port/limit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 5 * time.Second

// house is a port with a TURN server behind it.
type house struct {
	*Server
	port *port.Port
	addr netip.AddrPort
}

// open runs both until the test ends, with limits that no test comes near.
func open(t testing.TB) *house {
	t.Helper()
	return openWith(t, "127.0.0.1:0", noLimits())
}

func noLimits() *limits {
	return &limits{requests: limit.NewSources(1e6, 1e6), unauthorized: limit.NewSources(1e6, 1e6)}
}

// openWith is open with other limits, and with the relay as each wrap makes it.
func openWith(t testing.TB, listen string, l *limits, wrap ...func(Relay) Relay) *house {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: listen, TLS: certificate(t), Metrics: metric.New()})
	require.NoError(t, err)
	s, err := New(Config{Packets: p.TURNPackets(), Streams: p.TURNStreams(), Relay: p, Peers: p.Peers, Metrics: metric.New()})
	require.NoError(t, err)
	s.limits = l
	for _, w := range wrap {
		s.cfg.Relay = w(s.cfg.Relay)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 2)
	go func() { ended <- s.Run(ctx) }()
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-ended)
		require.NoError(t, <-ended)
		require.Zero(t, s.allocations.len())
	})
	return &house{s, p, p.Announced()[0]}
}

// certificate is one that nobody has signed.
func certificate(t testing.TB) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// dial makes a client of the library; network is udp or tcp.
func (h *house) dial(t testing.TB, network, username, password string) *pionturn.Client {
	t.Helper()
	var conn net.PacketConn
	if network == "tcp" {
		c, err := net.Dial("tcp", h.addr.String())
		require.NoError(t, err)
		conn = pionturn.NewSTUNConn(c)
	} else {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		conn = c
	}
	c, err := pionturn.NewClient(&pionturn.ClientConfig{
		STUNServerAddr: h.addr.String(), TURNServerAddr: h.addr.String(), Conn: conn,
		Username: username, Password: password, Realm: defaultRealm, RTO: 100 * time.Millisecond,
	})
	require.NoError(t, err)
	require.NoError(t, c.Listen())
	t.Cleanup(func() {
		c.Close()
		_ = conn.Close()
	})
	return c
}

// inbox is a session that keeps what it gets.
type inbox chan got

// got is one datagram of a session.
type got struct {
	b    string
	from netip.AddrPort
}

func (i inbox) Receive(b []byte, from netip.AddrPort) { i <- got{string(b), from} }

func (i inbox) next(t testing.TB) got {
	t.Helper()
	select {
	case g := <-i:
		return g
	case <-time.After(patience):
		require.FailNow(t, "nothing received")
		return got{}
	}
}

// check is an ICE check for the session.
func check(ufrag string) []byte {
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag+":theirs"), stun.Fingerprint).Raw
}

// A client behind TURN reaches a session, and the session reaches it.
func TestRelayToSession(t *testing.T) {
	t.Parallel()
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			h := open(t)
			in := make(inbox, 16)
			require.NoError(t, h.port.Register("ours", in))
			user, password, _ := h.Credentials("someone")
			relayed, err := h.dial(t, network, user, password).Allocate()
			require.NoError(t, err)
			virtual := relayed.LocalAddr().(*net.UDPAddr).AddrPort()
			require.Equal(t, h.addr.Addr(), virtual.Addr())
			require.Less(t, virtual.Port(), uint16(32000))

			peer := net.UDPAddrFromAddrPort(h.addr)
			_, err = relayed.WriteTo(check("ours"), peer)
			require.NoError(t, err)
			require.Equal(t, virtual, in.next(t).from)
			h.port.Learn(virtual, "ours")
			_, err = relayed.WriteTo([]byte("\x80media from the client"), peer)
			require.NoError(t, err)
			require.Equal(t, got{"\x80media from the client", virtual}, in.next(t))

			require.NoError(t, h.port.Sender(0).SendSegments([]byte("media 1media 2the end"), 7, virtual))
			b := make([]byte, 2000)
			for _, want := range []string{"media 1", "media 2", "the end"} {
				require.NoError(t, relayed.SetReadDeadline(time.Now().Add(patience)))
				n, from, err := relayed.ReadFrom(b)
				require.NoError(t, err)
				require.Equal(t, want, string(b[:n]))
				require.Equal(t, h.addr.String(), from.String())
			}
			require.NoError(t, relayed.Close())
			require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
			require.ErrorIs(t, h.port.Send([]byte("late"), virtual), port.ErrGone)
		})
	}
}
