package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// both runs a test over UDP and TCP, each in a house of its own.
func both(t *testing.T, f func(t *testing.T, h *house, network string)) {
	t.Helper()
	over(t, []string{"udp", "tcp"}, f)
}

// over runs a test over each network, in a house of its own.
func over(t *testing.T, networks []string, f func(t *testing.T, h *house, network string)) {
	t.Helper()
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			f(t, open(t), network)
		})
	}
}

// guest is a raw client with a good credential.
func (h *house) guest(t testing.TB, network string) *raw {
	t.Helper()
	user, password, _ := h.Credentials("guest")
	return h.rawDial(t, network, user, password)
}

func allocateAnswers(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		for name, c := range map[string]struct {
			with []stun.Setter
			want stun.ErrorCode
		}{
			"no transport":             {nil, stun.CodeBadRequest},
			"TCP allocation, RFC 6062": {[]stun.Setter{transport(6)}, stun.CodeUnsupportedTransProto},
			"unknown transport":        {[]stun.Setter{transport(99)}, stun.CodeUnsupportedTransProto},
			"IPv6 on an IPv4 relay":    {[]stun.Setter{transport(17), attr{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}}}, stun.CodeAddrFamilyNotSupported},
		} {
			require.Equal(t, c.want, code(t, r.signed(stun.MethodAllocate, c.with...)), name)
		}
		require.Zero(t, h.allocations.len())
		m := r.signed(stun.MethodAllocate, transport(17), attr{stun.AttrRequestedAddressFamily, []byte{1, 0, 0, 0}}, attr{stun.AttrEvenPort, []byte{0}})
		require.Zero(t, code(t, m))
		var x stun.XORMappedAddress
		require.NoError(t, x.GetFrom(m))
		require.Equal(t, r.conn.LocalAddr().String(), x.String())
		require.NoError(t, x.GetFromAs(m, stun.AttrXORRelayedAddress))
		require.Zero(t, x.Port%2)
		require.Equal(t, stun.CodeAllocMismatch, code(t, r.signed(stun.MethodAllocate, transport(17))), "a second one")
	})
}

// An answer that was lost is given again.
func retransmittedAllocate(t *testing.T) {
	h := open(t)
	r := h.guest(t, "udp")
	r.bare(stun.MethodAllocate)
	key := stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password)
	m := r.write(stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport(17), stun.NewUsername(r.user), r.realm, r.nonce, key)
	first := r.read()
	require.Zero(t, code(t, first))
	_, err := r.conn.Write(m.Raw)
	require.NoError(t, err)
	require.Equal(t, first.Raw, r.read().Raw)
	require.Equal(t, 1, h.allocations.len())
}

func TestIPv6Only(t *testing.T) {
	t.Parallel()
	if c, err := net.ListenPacket("udp6", "[::1]:0"); err != nil {
		t.Skip("no IPv6 here: ", err)
	} else {
		require.NoError(t, c.Close())
	}
	h := openWith(t, "[::1]:0", newLimits())
	r := h.guest(t, "tcp")
	relayed := r.allocate(attr{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}})
	require.Equal(t, h.addr.Addr(), relayed.Addr())
	at := func(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), h.addr.Port()) }
	for _, ip := range []string{"::2", "fe80::1", "fd00::1", "ff02::1"} {
		require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodCreatePermission, peer(at(ip)))), ip)
	}
	require.Equal(t, stun.CodePeerAddrFamilyMismatch, code(t, r.signed(stun.MethodCreatePermission, peer(at("127.0.0.1")))))
	in := make(inbox, 4)
	require.NoError(t, h.port.Register("ours", in))
	require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
	_, err := r.conn.Write(channelData(0x4000, check("ours")))
	require.NoError(t, err)
	require.Equal(t, relayed, in.next(t).from)
	require.NoError(t, h.port.Send([]byte("answer"), relayed))
	b := make([]byte, 100)
	n, err := r.conn.Read(b)
	require.NoError(t, err)
	require.Equal(t, channelData(0x4000, []byte("answer")), b[:n])
}

// However long or short a client asks for, it gets ten minutes, and is told so.
func lifetimes(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		granted := func(m *stun.Message) uint32 {
			require.Zero(t, code(t, m))
			v, err := m.Get(stun.AttrLifetime)
			require.NoError(t, err)
			return binary.BigEndian.Uint32(v)
		}
		require.EqualValues(t, 600, granted(r.signed(stun.MethodAllocate, transport(17), lifetime(3000))))
		require.EqualValues(t, 600, granted(r.signed(stun.MethodRefresh, lifetime(3599))))
		require.EqualValues(t, 600, granted(r.signed(stun.MethodRefresh, lifetime(3600))))
		require.EqualValues(t, 600, granted(r.signed(stun.MethodRefresh)))
		require.EqualValues(t, 600, granted(r.signed(stun.MethodRefresh, lifetime(1))))
		require.EqualValues(t, 0, granted(r.signed(stun.MethodRefresh, lifetime(0))))
		require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
	})
}

// Attempts to reach what is not ours: refused with the RFC's code, and a socket
// that listens there hears nothing.
func foreignPeers(t *testing.T) {
	over(t, []string{"udp", "tcp", "tls"}, func(t *testing.T, h *house, network string) {
		victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		defer func() { _ = victim.Close() }()
		near := victim.LocalAddr().(*net.UDPAddr).AddrPort()
		r := h.guest(t, network)
		relayed := r.allocate()
		port := h.addr.Port()
		at := func(ip string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(ip), port) }
		for _, ip := range []string{"127.0.0.2", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "255.255.255.255", "224.0.0.1", "8.8.8.8", "::ffff:169.254.169.254", "::ffff:10.0.0.1"} {
			require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodCreatePermission, peer(at(ip)))), ip)
			require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodChannelBind, channel(0x4001), peer(at(ip)))), ip)
		}
		for _, ip := range []string{"::1", "::", "fd00::1", "64:ff9b::7f00:1", "2002:7f00:1::"} {
			require.Equal(t, stun.CodePeerAddrFamilyMismatch, code(t, r.signed(stun.MethodCreatePermission, peer(at(ip)))), ip)
			require.Equal(t, stun.CodePeerAddrFamilyMismatch, code(t, r.signed(stun.MethodChannelBind, channel(0x4001), peer(at(ip)))), ip)
		}
		require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr), peer(at("10.0.0.1")))), "one of several")
		require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodChannelBind, channel(0x4001), peer(near))), "our address, another port")
		require.Equal(t, stun.CodeBadRequest, code(t, r.signed(stun.MethodCreatePermission)), "no peer")

		// A permission has no port: with that for our own address, the library
		// would send to every port of it.
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr))))
		before := h.count.foreign.Value()
		for _, to := range []netip.AddrPort{near, relayed, at("10.0.0.1")} {
			r.write(stun.NewType(stun.MethodSend, stun.ClassIndication), peer(to), attr{stun.AttrData, []byte("\x80media")})
		}
		require.Eventually(t, func() bool { return h.count.foreign.Value() == before+3 }, patience, time.Millisecond)
		require.NoError(t, victim.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, _, err = victim.ReadFrom(make([]byte, 100))
		require.ErrorContains(t, err, "timeout")
	})
}

// Addresses cut short must not take the server down (CVE-2026-54909), whoever
// sends them: a Send indication is signed by nobody.
func TestShortPeerAddresses(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		r.allocate()
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr))))
		for size := range 8 {
			short := attr{stun.AttrXORPeerAddress, []byte{0, 1, 0, 80, 1, 2, 3, 4}[:size]}
			r.write(stun.NewType(stun.MethodSend, stun.ClassIndication), short, attr{stun.AttrData, []byte("\x80media")})
			r.write(stun.NewType(stun.MethodSend, stun.ClassIndication), attr{stun.AttrData, []byte("\x80media")}, short)
			for _, m := range []stun.Method{stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodRefresh, stun.MethodAllocate} {
				r.signed(m, channel(0x4000), short, peer(h.addr))
			}
		}
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
	})
}

// The relay itself reaches nothing but our peers, whatever came to it.
func relayChecksPeers(t *testing.T) {
	h := open(t)
	inner, addr, err := h.port.Allocate(0)
	require.NoError(t, err)
	defer func() { _ = inner.Close() }()
	c := newRelayConn(h.Server, inner)
	for _, to := range []string{"127.0.0.1:1", "127.0.0.2:" + strconv.Itoa(int(h.addr.Port())), addr.String(), "[::1]:80"} {
		n, err := c.WriteTo([]byte("\x80media"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to)))
		require.NoError(t, err)
		require.Equal(t, 6, n)
	}
	require.EqualValues(t, 4, h.count.foreign.Value())
	require.False(t, h.permit(nil, net.IPv4(10, 0, 0, 1)))
	require.False(t, h.permit(nil, net.IPv6loopback))
	require.False(t, h.permit(nil, nil))
	require.True(t, h.permit(nil, h.addr.Addr().AsSlice()))
	require.True(t, h.permit(nil, net.IP(h.addr.Addr().AsSlice()).To16()))
}

// What follows MESSAGE-INTEGRITY is signed by nobody and is ignored.
func TestUnsignedAttributesAreIgnored(t *testing.T) {
	t.Parallel()
	h := open(t)
	r := h.guest(t, "udp")
	r.allocate()
	key := stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password)
	r.write(stun.NewType(stun.MethodRefresh, stun.ClassRequest), stun.NewUsername(r.user), r.realm, r.nonce, key, lifetime(0))
	m := r.read()
	require.Zero(t, code(t, m))
	v, err := m.Get(stun.AttrLifetime)
	require.NoError(t, err)
	require.EqualValues(t, 600, binary.BigEndian.Uint32(v))
	require.Equal(t, 1, h.allocations.len())
}

func checksCredentials(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		user, password, _ := h.Credentials("guest")
		other, _, _ := h.Credentials("guest")
		foreign, err := New(Config{Streams: h.port.TURNStreams(), Relay: h.port, Peers: h.port.Peers})
		require.NoError(t, err)
		theirs, theirPassword, _ := foreign.Credentials("guest")
		for name, c := range map[string][2]string{
			"wrong password":          {user, "wrong"},
			"another one's password":  {other, password},
			"of another process":      {theirs, theirPassword},
			"made up":                 {"9999999999:0123456789abcdef01234567:0123456789abcdef", password},
			"not even the shape":      {"admin", "admin"},
			"empty":                   {"", ""},
			"later expiry, same rest": {"9" + user[1:], password},
		} {
			r := h.rawDial(t, network, c[0], c[1])
			require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodAllocate, transport(17))), name)
		}
		require.Zero(t, h.allocations.len())
		r := h.rawDial(t, network, user, password)
		r.realm, r.nonce = stun.NewRealm("elsewhere"), stun.NewNonce("1")
		require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodAllocate, transport(17))), "realm")
		r.realm = stun.NewRealm(defaultRealm)
		require.Equal(t, stun.CodeStaleNonce, code(t, r.signed(stun.MethodAllocate, transport(17))), "nonce")
	})
}

// The time of a credential is for beginning: who watches for long stays.
func expiry(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		user, password, expires := b.Credentials("not used in time")
		for time.Now().Before(expires) {
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			time.Sleep(lifeSpan - time.Second)
		}
		r.nonce = nil
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)), "goes on")
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]))))
		require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
		require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodAllocate, transport(17))), "but begins nothing")
		r.user, r.password = user, password
		require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodAllocate, transport(17))))
	})
}

// A credential ends with its session: at once for what it has, and for good.
func revoke(t *testing.T) {
	over(t, []string{"udp", "tcp", "tls"}, func(t *testing.T, h *house, network string) {
		r, stays := h.guest(t, network), h.guest(t, network)
		relayed := r.allocate()
		stays.allocate()
		h.Revoke(r.user)
		require.Eventually(t, func() bool { return h.allocations.len() == 1 }, patience, time.Millisecond)
		require.Error(t, h.port.Send([]byte("\x80late"), relayed))
		if network == "udp" {
			require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodRefresh)))
			require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodAllocate, transport(17))))
		} else {
			r.closed() // with its allocation
		}
		require.Zero(t, code(t, stays.signed(stun.MethodRefresh)), "another one's goes on")
	})
}

// A valid credential is no key to somebody else's allocation, even from its
// address.
func otherCredentials(t *testing.T) {
	h := open(t)
	r := h.guest(t, "udp")
	r.allocate()
	r.user, r.password, _ = h.Credentials("somebody else")
	require.Equal(t, stun.CodeWrongCredentials, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
	require.Equal(t, stun.CodeWrongCredentials, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr))))
	require.Equal(t, 1, h.allocations.len())
}

func withoutAllocation(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		require.Equal(t, stun.CodeAllocMismatch, code(t, r.signed(stun.MethodRefresh)))
		require.Equal(t, stun.CodeAllocMismatch, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr))))
		require.Equal(t, stun.CodeAllocMismatch, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
	})
}

func quota(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		user, password, _ := h.Credentials("greedy")
		for range maxPerCredential {
			h.rawDial(t, network, user, password).allocate()
		}
		r := h.rawDial(t, network, user, password)
		require.Equal(t, stun.CodeAllocQuotaReached, code(t, r.signed(stun.MethodAllocate, transport(17))))
		h.guest(t, network).allocate() // somebody else still gets one
		require.Equal(t, maxPerCredential+1, h.allocations.len())
	})
}

func quotaOfNetwork(t *testing.T) {
	table := newAllocations()
	at := func(i int) client {
		return client{addr: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(i))}
	}
	for i := range maxPerNetwork {
		require.True(t, table.reserve(at(i), string(rune('a'+i))))
	}
	require.False(t, table.reserve(at(99), "other"))
	elsewhere := client{addr: netip.MustParseAddrPort("192.0.2.2:1")}
	require.True(t, table.reserve(elsewhere, "other"))
	table.abandon(at(0))
	require.True(t, table.reserve(at(99), "other"))
	table.remove(elsewhere)
	table.remove(elsewhere)
	require.Equal(t, maxPerNetwork, table.len())
}

// All together have so many, and what one gives back is another's.
func quotaOfAll(t *testing.T) {
	table := newAllocations()
	at := func(i int) client {
		return client{addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 5000)}
	}
	for i := range maxAllocations {
		require.True(t, table.reserve(at(i), strconv.Itoa(i)))
	}
	require.False(t, table.reserve(at(maxAllocations), "other"))
	table.remove(at(0))
	require.True(t, table.reserve(at(maxAllocations), "other"))
}

// However many ask without a credential, answers are few: not more than ten a
// second beside the first ten, and fewer bytes than came in.
func answersAreFew(t *testing.T) {
	h := openWith(t, "127.0.0.1:0", newLimits())
	r := h.rawDial(t, "udp", "", "")
	begin := time.Now()
	in, out, answers := 0, 0, 0
	m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport(protocolUDP))
	const asked = 500
	for range asked {
		n, err := r.conn.Write(m.Raw)
		require.NoError(t, err)
		in += n
	}
	require.Eventually(t, func() bool { return h.count.limited.Value()+h.count.unauthorized.Value() >= asked*9/10 }, patience, time.Millisecond)
	spent := time.Since(begin)
	require.NoError(t, r.conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	b := make([]byte, 2048)
	for {
		n, err := r.conn.Read(b)
		if err != nil {
			break
		}
		require.Less(t, n, 100, "a short answer")
		out += n
		answers++
	}
	require.GreaterOrEqual(t, answers, 1)
	require.LessOrEqual(t, answers, unauthorizedPerSource+int(spent.Seconds()*unauthorizedPerSource)+1)
	require.Less(t, out, in)
}

// meanwhile is a relay that does something while it makes an address.
type meanwhile struct {
	Relay
	do func()
}

func (m meanwhile) Allocate(number int) (net.PacketConn, net.Addr, error) {
	m.do()
	return m.Relay.Allocate(number)
}

// A credential that is revoked while an allocation is made with it leaves none.
func revokeMeanwhile(t *testing.T) {
	var revoke atomic.Pointer[func()]
	h := openWith(t, "127.0.0.1:0", noLimits(), func(r Relay) Relay {
		return meanwhile{r, func() { (*revoke.Load())() }}
	})
	r := h.guest(t, "udp")
	now := func() { h.Revoke(r.user) }
	revoke.Store(&now)
	_ = code(t, r.signed(stun.MethodAllocate, transport(17)))
	require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
	require.Equal(t, stun.CodeUnauthorized, code(t, r.signed(stun.MethodRefresh)))
}
