package port

import (
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A flood from forged addresses gets few answers and leaves no trace, whatever
// it asks for.
func TestThreat_T3_ForgedAddresses(t *testing.T) {
	p := open(t, "127.0.0.1:0") // alone: it measures memory
	require.NoError(t, p.Register("ours", silence{}))
	r := newReader(p, p.senders[0].socket)
	ours := netip.MustParseAddr("127.0.0.2") // what they say they asked
	questions := [][]byte{
		stunMessage(0x0001), stunMessage(0x0003), {0x80, 96, 0, 1}, {22, 254, 253, 0},
		stunMessage(0x0001, usernameAttr("ours:theirs")...), stunMessage(0x0001, usernameAttr("nobody:theirs")...),
	}
	heap := func() uint64 {
		runtime.GC()
		var stats runtime.MemStats
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	go func() { // as the TURN server would, which answers only some
		b := make([]byte, maxDatagram)
		for {
			if _, _, err := p.turn.ReadFrom(b); err != nil {
				return
			}
		}
	}()
	before, begin := heap(), time.Now()
	const sources = 100_000
	for i := range sources {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(i >> 16), byte(i >> 8), byte(i)}), 9)
		for _, b := range questions {
			r.Datagram(b, from, ours)
		}
	}
	require.Less(t, int64(heap())-int64(before), int64(10<<20))
	answered := p.count.stun.Value() - p.count.stunLimited.Value()
	require.LessOrEqual(t, answered, uint64(stunTotal*(2+time.Since(begin).Seconds())))
	require.EqualValues(t, sources, p.count.stun.Value())
}

// Nobody sends in the name of a client behind the relay or of a connection,
// whatever the datagram is, and what has proved nothing reaches nobody.
func TestThreat_T7_UnprovenAddresses(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	_, relayed := allocate(t, p)
	r := newReader(p, p.senders[0].socket)
	all := [][]byte{
		{0x80, 96, 0, 1}, {22, 254, 253, 0}, stunMessage(0x0001), stunMessage(0x0003), stunMessage(0x0101),
		stunMessage(0x0001, usernameAttr("ours:theirs")...), {0x40, 0, 0, 1, 1, 0, 0, 0},
	}
	claimed := []netip.AddrPort{relayed, virtualAddr(0, false), virtualAddr(0, true)}
	for _, a := range []string{"255.0.0.0:1", "255.127.255.255:65535", "[100::]:1", "[100::ffff:ffff:ffff:ffff]:65535"} {
		claimed = append(claimed, netip.MustParseAddrPort(a))
	}
	for _, from := range claimed {
		p.Learn(from, "ours") // though it be a live one
		for _, b := range all {
			r.Datagram(b, from, netip.Addr{})
		}
	}
	require.EqualValues(t, len(claimed)*len(all), p.count.spoofed.Value())
	require.Zero(t, p.count.stun.Value()+p.count.turn.Value()+p.count.ice.Value())

	stranger := netip.MustParseAddrPort("127.0.0.9:5000")
	r.Datagram([]byte{0x80, 96, 0, 1}, stranger, netip.Addr{})
	r.Datagram([]byte{22, 254, 253, 0}, stranger, netip.Addr{})
	require.EqualValues(t, 2, p.count.unknown.Value())
	require.Empty(t, in)
}

// First bytes of every kind, each alone and followed by silence or by noise: the
// connection ends or waits for more, and none reaches a server it is not for.
func TestThreat_FirstBytes(t *testing.T) {
	t.Parallel()
	p := slow(t, 20*time.Millisecond)
	for first := range 256 {
		for _, rest := range []string{"", strings.Repeat("\xee", 64)} {
			c := connect(t, p)
			_, err := c.Write(append([]byte{byte(first)}, rest...))
			require.NoError(t, err)
			closed(t, c)
		}
	}
	s := &p.count.streams
	require.Zero(t, s.http.Value()+s.turn.Value()+s.ice.Value()+s.rtsp.Value()+s.rtmp.Value())
	require.Positive(t, s.garbage.Value())
	require.Positive(t, s.silent.Value())
}

// What one network may have open, and all together may have that say nothing.
func TestThreat_ManyConnections(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	s := p.streams
	far, near := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("127.0.0.1")
	s.mu.Lock()
	s.perAddr[far], s.perAddr[near] = crowd{open: maxOpenPerAddr - 1}, crowd{open: maxOpenPerAddr}
	require.True(t, s.welcome(far))
	s.perAddr[far] = crowd{open: maxOpenPerAddr}
	require.False(t, s.welcome(far))
	require.True(t, s.welcome(near), "a proxy may be there")
	delete(s.perAddr, far)
	delete(s.perAddr, near)
	s.mu.Unlock()
	require.EqualValues(t, 1, p.count.streams.crowd.Value())

	const each, over = maxSilentPerAddr, 40
	for i := range maxSilent + over {
		from := net.IPv4(127, 0, 1, byte(1+i/each))
		c, err := net.DialTCP("tcp4", &net.TCPAddr{IP: from}, net.TCPAddrFromAddrPort(p.Addr()))
		if err != nil {
			t.Skip("only Linux has all of 127.0.0.0/8: ", err)
		}
		defer func() { _ = c.Close() }()
	}
	eventually(t, "evicted", func() bool { return p.count.streams.evicted.Value() == over })
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Equal(t, maxSilent, s.silent.Len())
}
