package port

import (
	"net/netip"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// size says how many addresses are known.
func (t *sessions) size() (n int) {
	for i := range t.shards {
		n += len(t.shards[i].owner)
	}
	return n
}

type silence struct{}

func (silence) Receive([]byte, netip.AddrPort) {}

func at(n int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 5000)
}

func TestAddressMovesToTheNewestSession(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.NoError(t, p.Register("old", silence{}))
	require.NoError(t, p.Register("new", silence{}))
	p.Learn(at(1), "old")
	p.Learn(at(1), "new")
	require.Equal(t, "new", p.sessions.byAddr(at(1)).ufrag)
	p.Unregister("old")
	require.Equal(t, "new", p.sessions.byAddr(at(1)).ufrag, "the old one no longer owns it")
	p.Unregister("new")
	p.Unregister("new")
	require.Nil(t, p.sessions.byAddr(at(1)))
	p.Learn(at(1), "new")
	require.Zero(t, p.sessions.size(), "nobody learns for who is gone")
}

func TestMappedAddressIsTheSame(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.NoError(t, p.Register("a", silence{}))
	p.Learn(netip.AddrPortFrom(netip.AddrFrom16(at(1).Addr().As16()), 5000), "a")
	require.NotNil(t, p.sessions.byAddr(at(1)))
}

func TestSessionHasFewAddresses(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.NoError(t, p.Register("a", silence{}))
	for i := range 5 * maxAddrs {
		p.Learn(at(i), "a")
	}
	require.Equal(t, maxAddrs, p.sessions.size())
	require.NotNil(t, p.sessions.byAddr(at(5*maxAddrs-1)), "the newest stays")
	p.Unregister("a")
	require.Zero(t, p.sessions.size())
}

// A browser that keeps its socket for a new session names the new one in its
// checks, and what is no check follows once that is proved.
func TestCheckGoesByName(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	first, second := newInbox(), newInbox()
	require.NoError(t, p.Register("first", first))
	require.NoError(t, p.Register("second", second))
	c := dial(t, p)
	p.Learn(local(c), "first")
	check := stunMessage(0x0001, usernameAttr("second:x")...)
	_, _ = c.Write(check)
	require.Equal(t, string(check), second.next(t).b)
	answer := stunMessage(0x0101)
	_, _ = c.Write(answer)
	require.Equal(t, string(answer), first.next(t).b, "an answer names nobody")
	p.Learn(local(c), "second")
	_, _ = c.Write(answer)
	require.Equal(t, string(answer), second.next(t).b)
}

// failing is a Receiver with a fault in it.
type failing struct{}

func (failing) Receive([]byte, netip.AddrPort) { panic("fault") }

func TestFailingReceiverCostsOnlyItsSession(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("bad", failing{}))
	require.NoError(t, p.Register("good", in))
	c := dial(t, p)
	_, _ = c.Write(stunMessage(0x0001, usernameAttr("bad:x")...))
	_, _ = c.Write(stunMessage(0x0001, usernameAttr("good:x")...))
	in.next(t)
	require.EqualValues(t, 1, p.count.panics.Value())
	require.NoError(t, p.Register("bad", silence{}), "it was forgotten")
}

func TestConcurrentSessions(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	r := newReader(p, p.senders[0].socket)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				name := strconv.Itoa(g)
				_ = p.Register(name, silence{})
				p.Learn(at(i%8), name)
				p.Unregister(name)
			}
		})
	}
	for i := range 1000 {
		r.Datagram([]byte{0x80, 96, 0, 0}, at(i%8), netip.Addr{})
	}
	wg.Wait()
	require.Zero(t, p.sessions.size())
}
