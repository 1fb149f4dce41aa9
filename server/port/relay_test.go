package port

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// allocate makes a relayed address and returns its ends.
func allocate(t testing.TB, p *Port) (net.PacketConn, netip.AddrPort) {
	t.Helper()
	c, addr, err := p.Allocate(0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, addr.(*net.UDPAddr).AddrPort()
}

func TestRelayBothWays(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	c, virtual := allocate(t, p)
	require.Equal(t, p.Announced()[0].Addr(), virtual.Addr())
	require.True(t, virtual.Port() >= firstVirtual && virtual.Port() <= lastVirtual)
	require.Equal(t, virtual.String(), c.LocalAddr().String())

	ours := net.UDPAddrFromAddrPort(p.Announced()[0])
	check := stunMessage(0x0001, usernameAttr("ours:x")...)
	n, err := c.WriteTo(check, ours)
	require.NoError(t, err)
	require.Equal(t, len(check), n)
	require.Equal(t, got{string(check), virtual}, in.next(t))
	p.Learn(virtual, "ours")
	_, err = c.WriteTo([]byte{0x80, 96, 0, 1}, ours)
	require.NoError(t, err)
	require.Equal(t, virtual, in.next(t).from)

	require.NoError(t, p.Sender(0).SendSegments([]byte("aabbc"), 2, virtual))
	b := make([]byte, 100)
	for _, want := range []string{"aa", "bb", "c"} {
		n, from, err := c.ReadFrom(b)
		require.NoError(t, err)
		require.Equal(t, want, string(b[:n]))
		require.Equal(t, ours, from)
	}
}

// Nothing but our own announced addresses can be reached, and there only ICE
// and media. A socket that listens next door hears nothing.
func TestRelayReachesNothingElse(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer func() { _ = victim.Close() }()
	c, virtual := allocate(t, p)
	_, other := allocate(t, p)
	port := int(p.Addr().Port())
	media := []byte{0x80, 96, 0, 1}
	peers := []net.Addr{
		victim.LocalAddr(), // our own address, another port
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1).To16(), Port: victim.LocalAddr().(*net.UDPAddr).Port},
		&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: port},
		&net.UDPAddr{IP: net.IPv4(169, 254, 169, 254), Port: port},
		&net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: port},
		&net.UDPAddr{IP: net.IPv4zero, Port: port},
		&net.UDPAddr{IP: net.IPv6loopback, Port: port},
		&net.UDPAddr{IP: net.ParseIP("::ffff:169.254.169.254"), Port: port},
		&net.UDPAddr{IP: net.ParseIP("64:ff9b::7f00:1"), Port: port},
		net.UDPAddrFromAddrPort(other),   // relay to relay
		net.UDPAddrFromAddrPort(virtual), // relay to itself
		&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port},
	}
	for _, to := range peers {
		n, err := c.WriteTo(media, to)
		require.NoError(t, err)
		require.Equal(t, len(media), n, "swallowed, as a network would")
	}
	require.EqualValues(t, len(peers), p.count.relay.foreign.Value())

	ours := net.UDPAddrFromAddrPort(p.Announced()[0])
	inner := [][]byte{stunMessage(0x0001), stunMessage(0x0003), {0x40, 0, 0, 1, 1, 0, 0, 0}, []byte("GET / HTTP/1.1"), nil}
	for _, b := range inner { // no plain STUN, no TURN in TURN, no garbage
		_, err := c.WriteTo(b, ours)
		require.NoError(t, err)
	}
	require.EqualValues(t, len(inner), p.count.relay.refused.Value())
	require.Zero(t, p.count.relay.in.Value())
	require.Zero(t, p.relay.places.taken.Load(), "nor did another client get anything")
	require.NoError(t, victim.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, _, err = victim.ReadFrom(make([]byte, 100))
	require.ErrorContains(t, err, "timeout")
}

func TestRelayFull(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c, virtual := allocate(t, p)
	for range pipeSize {
		require.NoError(t, p.Send([]byte("x"), virtual))
	}
	require.ErrorIs(t, p.Send([]byte("x"), virtual), ErrFull)
	require.ErrorIs(t, p.Sender(0).SendSegments([]byte("xx"), 1, virtual), ErrFull)
	require.EqualValues(t, pipeSize, p.relay.places.taken.Load())
	_, _, err := c.ReadFrom(make([]byte, 10))
	require.NoError(t, err)
	require.NoError(t, p.Send([]byte("x"), virtual), "there is room again")
	require.NoError(t, c.Close())
	require.Zero(t, p.relay.places.taken.Load())
	require.ErrorIs(t, p.Send(make([]byte, maxDatagram+1), virtual), ErrGone)
}

func TestRelayMemoryIsBounded(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	_, virtual := allocate(t, p)
	p.relay.places.taken.Store(maxQueued)
	require.ErrorIs(t, p.Send([]byte("x"), virtual), ErrFull)
	p.relay.places.taken.Store(0)
	require.NoError(t, p.Send([]byte("x"), virtual))
}

// A closed address is nobody's for a while: what its session still sends must
// not reach the next client, nor a program on this machine.
func TestRelayRetires(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c, addr, err := p.Allocate(0)
	require.NoError(t, err)
	virtual := addr.(*net.UDPAddr).AddrPort()
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	_, _, err = c.ReadFrom(nil)
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = c.WriteTo([]byte{0x80, 0, 0, 0}, net.UDPAddrFromAddrPort(p.Addr()))
	require.ErrorIs(t, err, net.ErrClosed)
	require.ErrorIs(t, p.Send([]byte("late"), virtual), ErrGone)
	_, _, err = p.Allocate(int(virtual.Port()))
	require.ErrorIs(t, err, ErrNoPort)
	p.relay.sweep(time.Now().Add(2 * retireFor))
	c, _, err = p.Allocate(int(virtual.Port()))
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

func TestRelayPortsOutOfRange(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	for _, port := range []int{-1, 1, firstVirtual - 1, lastVirtual + 1, 70000} {
		_, _, err := p.Allocate(port)
		require.ErrorIs(t, err, ErrNoPort, "%d", port)
	}
}

// A program on this machine that sends from the address of a live relay is not
// that relay.
func TestSpoofedVirtualAddress(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	_, virtual := allocate(t, p)
	p.Learn(virtual, "ours")
	forger, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(virtual), net.UDPAddrFromAddrPort(p.Addr()))
	require.NoError(t, err)
	defer func() { _ = forger.Close() }()
	for _, b := range [][]byte{{0x80, 96, 0, 1}, stunMessage(0x0001, usernameAttr("ours:x")...), stunMessage(0x0003), stunMessage(0x0001)} {
		_, err = forger.Write(b)
		require.NoError(t, err)
	}
	eventually(t, "dropped", func() bool { return p.count.spoofed.Value() == 4 })
	require.Empty(t, in)
}

func TestRelaySurvivesAFailingSession(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.NoError(t, p.Register("bad", failing{}))
	c, _ := allocate(t, p)
	_, err := c.WriteTo(stunMessage(0x0001, usernameAttr("bad:x")...), net.UDPAddrFromAddrPort(p.Announced()[0]))
	require.NoError(t, err)
	require.EqualValues(t, 1, p.count.panics.Value())
}

// Clients that are stuck leave room for those that read.
func TestStuckClientsLeaveRoom(t *testing.T) {
	t.Parallel()
	var shared places
	shared.taken.Store(maxQueued / 2)
	waits := newPipe(2*crowdedPipe, &shared)
	for range crowdedPipe {
		require.True(t, waits.push([]byte("x"), netip.AddrPort{}))
	}
	require.False(t, waits.push([]byte("x"), netip.AddrPort{}))
	require.True(t, newPipe(1, &shared).push([]byte("x"), netip.AddrPort{}))
	shared.taken.Store(maxQueued / 4)
	require.True(t, waits.push([]byte("x"), netip.AddrPort{}))
}
