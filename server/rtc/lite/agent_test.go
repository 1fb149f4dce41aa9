package lite

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
)

// owner notes where it is told to send, and how much comes.
type owner struct {
	mu   sync.Mutex
	to   netip.AddrPort
	came atomic.Int32
}

func (o *owner) Receive([]byte, netip.AddrPort) { o.came.Add(1) }

func (o *owner) Moved(to netip.AddrPort) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.to = to
}

func (o *owner) where() netip.AddrPort {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to
}

type nobody struct{}

func (nobody) Receive([]byte, netip.AddrPort) {}

// theirs is the password of the client.
const theirs = "the password of the client"

// them are the client's first credentials.
func them() Credentials { return Credentials{Ufrag: "them", Password: theirs} }

// session is an agent with two places of its client, with whom DTLS is settled.
type session struct {
	*Agent
	owner *owner
	first Credentials
	ports *port.Port
	a, b  *place
}

// place is an address of a client, or of whom somebody takes for one.
type place struct {
	netip.AddrPort
	t      *testing.T
	socket net.PacketConn
}

func newSession(t *testing.T) *session {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	f := &session{owner: &owner{}, ports: p, a: bind(t), b: bind(t)}
	f.Agent, f.first = NewAgent(p, f.owner, them())
	f.Settle()
	require.NoError(t, f.Open())
	t.Cleanup(f.Close)
	return f
}

func bind(t *testing.T) *place {
	t.Helper()
	c, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return &place{AddrPort: c.LocalAddr().(*net.UDPAddr).AddrPort(), t: t, socket: c}
}

// check returns the next check that comes here; answers are passed over.
func (p *place) check() *stun.Message {
	p.t.Helper()
	b := make([]byte, 1500)
	for {
		require.NoError(p.t, p.socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _, err := p.socket.ReadFrom(b)
		require.NoError(p.t, err)
		m := &stun.Message{Raw: append([]byte(nil), b[:n]...)}
		require.NoError(p.t, m.Decode())
		if m.Type == stun.BindingRequest {
			return m
		}
	}
}

// answerTo is what a client answers to a check of ours.
func answerTo(check *stun.Message, password string) []byte {
	return stun.MustBuild(check, stun.BindingSuccess, &stun.XORMappedAddress{IP: net.IPv4(192, 0, 2, 1), Port: 9},
		stun.NewShortTermIntegrity(password), stun.Fingerprint).Raw
}

// nominate has the client check and choose a place with its first credentials.
func (f *session) nominate(p *place) Finding {
	return f.Check(checkFor(f.first, f.first.Password, true), p.AddrPort)
}

// goes has the client be found at a new place.
func (f *session) goes(c Credentials, nominate bool, to *place) {
	to.t.Helper()
	before := f.owner.where()
	require.Equal(to.t, Elsewhere, f.Check(checkFor(c, c.Password, nominate), to.AddrPort))
	require.Equal(to.t, before, f.owner.where(), "nothing goes there yet")
	require.Equal(to.t, Here, f.Check(answerTo(to.check(), theirs), to.AddrPort))
	require.Equal(to.t, to.AddrPort, f.owner.where())
}

// quiet lets the chosen address have been silent for a while.
func (f *session) quiet() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.checked = time.Now().Add(-2 * quietAddress)
}

// unproven lists where checks of ours are under way.
func (f *session) unproven() (list []netip.AddrPort) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.proofs {
		list = append(list, p.to)
	}
	return list
}

// free tells whether a user fragment is registered no more.
func (f *session) free(c Credentials) bool {
	if f.ports.Register(c.Ufrag, nobody{}) != nil {
		return false
	}
	f.ports.Unregister(c.Ufrag)
	return true
}

func TestAgentFollowsItsClient(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Forged, f.Check([]byte("garbage"), f.a.AddrPort))
	require.Equal(t, Forged, f.Check(checkFor(f.first, "wrong", true), f.a.AddrPort))
	require.Equal(t, Forged, f.Check(checkFor(Credentials{}, "", true), f.a.AddrPort))
	require.False(t, f.owner.where().IsValid(), "nothing goes to an address that was not proved")

	require.Equal(t, Here, f.Check(checkFor(f.first, f.first.Password, false), f.a.AddrPort))
	require.Equal(t, f.a.AddrPort, f.owner.where(), "the first is taken without being nominated")
	require.Equal(t, Elsewhere, f.Check(checkFor(f.first, f.first.Password, false), f.b.AddrPort))
	require.Empty(t, f.unproven(), "another is not, as long as the first is alive")
	f.goes(f.first, true, f.b) // but when it is nominated
	f.quiet()
	f.goes(f.first, false, f.a) // or the other has gone quiet
}

// The older generation lasts until the client has chosen a path with the newer,
// and one that was never used goes when there is another.
func TestAgentRestarts(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	require.Equal(t, Here, f.nominate(f.a))
	unused, err := f.Restart(them())
	require.NoError(t, err)
	require.Equal(t, Elsewhere, f.Check(checkFor(unused, unused.Password, true), f.b.AddrPort))
	second, err := f.Restart(them())
	require.NoError(t, err)
	require.True(t, f.free(unused))
	require.Equal(t, Forged, f.Check(answerTo(f.b.check(), theirs), f.b.AddrPort), "to a check of the unused")
	require.Equal(t, Forged, f.Check(checkFor(unused, unused.Password, true), f.b.AddrPort))

	require.Equal(t, Elsewhere, f.Check(checkFor(second, second.Password, false), f.b.AddrPort))
	require.Equal(t, f.a.AddrPort, f.owner.where(), "media go on over the old path")
	require.Equal(t, Here, f.Check(checkFor(f.first, f.first.Password, false), f.a.AddrPort))
	f.goes(second, true, f.b)
	require.True(t, f.free(f.first))
	require.Equal(t, Forged, f.nominate(f.a))

	third, err := f.Restart(them())
	require.NoError(t, err)
	require.Equal(t, Here, f.Check(checkFor(third, third.Password, true), f.b.AddrPort), "the same address as before")
	require.True(t, f.free(second))
	fourth, err := f.Restart(them())
	require.NoError(t, err)
	f.quiet()
	f.goes(fourth, false, f.a) // the old path is dead
	require.True(t, f.free(third))

	f.Close()
	f.Close()
	require.True(t, f.free(fourth))
	_, err = f.Restart(them())
	require.ErrorIs(t, err, ErrClosed)
	require.Equal(t, Forged, f.Check(checkFor(fourth, fourth.Password, true), f.a.AddrPort))
}

// A generation that is given up does not take the address with it that media
// come from: a connection would be closed for that.
func TestAgentKeepsItsAddress(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(f.ports.Announced()[0]))
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	require.Equal(t, Here, f.Check(checkFor(f.first, f.first.Password, true), at))
	unused, err := f.Restart(them())
	require.NoError(t, err)
	require.Equal(t, Here, f.Check(checkFor(unused, unused.Password, false), at))
	_, err = f.Restart(them())
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.Write([]byte("\x80media"))
		return err == nil && f.owner.came.Load() > 0
	}, 2*time.Second, time.Millisecond)
}

// RFC 7675 section 5.1: without consent nothing is sent, and with it again, at
// once.
func TestAgentLapses(t *testing.T) {
	t.Parallel()
	f := newSession(t)
	f.Lapse()
	f.Resume()
	require.False(t, f.owner.where().IsValid(), "there was nothing yet")
	require.False(t, f.At(netip.AddrPort{}))
	require.Equal(t, Here, f.nominate(f.a))
	f.Lapse()
	require.False(t, f.owner.where().IsValid())
	require.True(t, f.At(f.a.AddrPort))
	require.False(t, f.At(f.b.AddrPort))
	f.Resume()
	require.Equal(t, f.a.AddrPort, f.owner.where())
	f.Lapse()
	require.Equal(t, Here, f.Check(checkFor(f.first, f.first.Password, false), f.a.AddrPort))
	require.Equal(t, f.a.AddrPort, f.owner.where())
	f.Lapse()
	f.quiet()
	f.goes(f.first, false, f.b)
	f.Lapse()
	f.Close()
	f.Resume()
	require.False(t, f.owner.where().IsValid())
}

func TestFragment(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a=ice-lite\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"+
		"a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n",
		Fragment(Credentials{Ufrag: "u", Password: "p"}, []string{"1 1 udp 1 192.0.2.1 9 typ host"}, []string{"m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0"}))
}
