package port

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/metric"
)

func plainBindingIsAnswered(t *testing.T) {
	_, clients := ends(t)
	for _, c := range clients {
		request := stunMessage(0x0001)
		_, err := c.Write(request)
		require.NoError(t, err)
		m := &stun.Message{Raw: []byte(read(t, c))}
		require.NoError(t, m.Decode())
		var x stun.XORMappedAddress
		require.NoError(t, x.GetFrom(m))
		require.Equal(t, local(c).String(), x.String())
		require.LessOrEqual(t, len(m.Raw), bindingSize)
	}
}

// However many ask, from one address or from forged ones, answers are few.
func TestBindingAnswersAreLimited(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	r := newReader(p, p.senders[0].socket)
	c := dial(t, p)
	for range 500 {
		r.Datagram(stunMessage(0x0001), local(c), netip.Addr{})
	}
	answered := p.count.stun.Value() - p.count.stunLimited.Value()
	require.GreaterOrEqual(t, answered, uint64(stunPerSource))
	require.Less(t, answered, uint64(2*stunPerSource))
	for _, port := range []uint16{0, 19, 53, 123, 1900, 11211} {
		r.Datagram(stunMessage(0x0001), netip.AddrPortFrom(netip.MustParseAddr("192.0.2.9"), port), netip.Addr{})
	}
	require.EqualValues(t, 6, p.count.spoofed.Value(), "no answers to services that multiply")
}

func TestGarbageIsDroppedAndCounted(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	r := newReader(p, p.senders[0].socket)
	for _, b := range [][]byte{nil, {0}, {5, 5, 5, 5}, []byte("hello"), {0xff, 0xff, 0xff, 0xff}} {
		r.Datagram(b, at(1), netip.Addr{})
	}
	require.EqualValues(t, 5, p.count.garbage.Value())
}

func TestTURNPackets(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := dial(t, p)
	allocate := stunMessage(0x0003)
	_, _ = c.Write(allocate)
	b := make([]byte, 100)
	turn := p.TURNPackets()
	n, from, err := turn.ReadFrom(b)
	require.NoError(t, err)
	require.Equal(t, allocate, b[:n])
	require.Equal(t, local(c).String(), from.String())
	_, err = turn.WriteTo([]byte("401"), from)
	require.NoError(t, err)
	require.Equal(t, "401", read(t, c))
	require.Equal(t, p.Addr().String(), turn.LocalAddr().String())
	_, err = turn.WriteTo(b, &net.IPAddr{})
	require.Error(t, err)

	r := newReader(p, p.senders[0].socket)
	for range turnQueue + 10 {
		r.Datagram(allocate, at(1), netip.Addr{})
	}
	require.EqualValues(t, 10, p.count.turnFull.Value(), "the queue is bounded")
}

// Datagrams of every size that differs: what is taken in is whole.
func TestSizes(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	c := dial(t, p)
	p.Learn(local(c), "ours")
	for _, size := range []int{0, 1, 3, 4, 1500, 2047, 2048, 2049, 9000, 65507, 12} {
		b := []byte(strings.Repeat("\x80", size))
		_, err := c.Write(b)
		require.NoError(t, err)
		if size >= 4 && size <= maxDatagram {
			require.Equal(t, got{string(b), local(c)}, in.next(t))
		}
	}
	require.EqualValues(t, 3, p.count.garbage.Value(), "too short")
	require.EqualValues(t, 3, p.count.long.Value(), "too long")
	require.Empty(t, in)
}

// A batch that waited when the server starts, with Receivers that fail in it:
// all others' datagrams are handed on, in order.
func TestFailingReceiverCostsNoneOfTheBatch(t *testing.T) {
	t.Parallel()
	p, err := Listen(Config{Listen: "127.0.0.1:0", Metrics: metric.New()})
	require.NoError(t, err)
	in := newInbox()
	require.NoError(t, p.Register("good", in))
	for i := range 3 {
		require.NoError(t, p.Register("bad"+strconv.Itoa(i), failing{}))
	}
	c := dial(t, p)
	var want []string
	for i := range 100 {
		good := string(stunMessage(0x0001, usernameAttr("good:"+strconv.Itoa(i))...))
		want = append(want, good)
		_, err = c.Write([]byte(good))
		require.NoError(t, err)
		_, err = c.Write(stunMessage(0x0001, usernameAttr("bad"+strconv.Itoa(i%4)+":x")...))
		require.NoError(t, err)
	}
	run(t, p)
	for _, w := range want {
		require.Equal(t, w, in.next(t).b)
	}
	eventually(t, "all read", func() bool { return p.count.ice.Value() == 200 })
	require.EqualValues(t, 3, p.count.panics.Value())
	eventually(t, "nobody's dropped", func() bool { return p.count.unknown.Value() == 97 })
}
