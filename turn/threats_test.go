package turn

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// parts runs the parts of a test at once.
func parts(t *testing.T, all map[string]func(*testing.T)) {
	t.Parallel()
	for name, part := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			part(t)
		})
	}
}

// A relay reaches the machines around it, unless it is made for one place only.
func TestThreat_T1_SSRF(t *testing.T) {
	parts(t, map[string]func(*testing.T){
		"foreign peers": foreignPeers, "wire families": wireFamilies, "any address": anyAddress,
		"the relay by itself": relayChecksPeers, "TCP connections": tcpConnections,
	})
}

// A relay that hides who speaks is worth having; its credentials are of use to
// the session they were given to, while that lasts.
func TestThreat_T2_StolenCredentials(t *testing.T) {
	parts(t, map[string]func(*testing.T){
		"foreign and made up": checksCredentials, "another's allocation": otherCredentials,
		"expired": expiry, "of an ended session": revoke, "of one that ends meanwhile": revokeMeanwhile,
	})
}

// Answers to forged questions are what floods others.
func TestThreat_T3_Reflection(t *testing.T) {
	t.Run("from 100,000 addresses", forgedAddresses) // alone: it measures memory
	parts(t, map[string]func(*testing.T){"from one address": answersAreFew, "for ten seconds": reflection})
}

// Who may have an allocation could take all.
func TestThreat_T4_Exhaustion(t *testing.T) {
	parts(t, map[string]func(*testing.T){"of a credential": quota, "of a network": quotaOfNetwork, "of all": quotaOfAll})
}

// What the wire says of an address's family and what follows may not agree. It
// is our own address, and else nothing: a socket that listens next door hears
// nothing.
func wireFamilies(t *testing.T) {
	over(t, []string{"udp", "tcp", "tls"}, func(t *testing.T, h *house, network string) {
		victim, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		defer func() { _ = victim.Close() }()
		r := h.guest(t, network)
		r.allocate()
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(h.addr))))
		near := victim.LocalAddr().(*net.UDPAddr).AddrPort()
		for _, ip := range []string{"127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0", "::127.0.0.1", "64:ff9b::7f00:1"} {
			for _, family := range []byte{0, 1, 2, 3, 0xff} {
				to := ofFamily{peer(netip.AddrPortFrom(netip.MustParseAddr(ip), near.Port())), family}
				require.NotZero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), to)), "%s as %d", ip, family)
				_ = code(t, r.signed(stun.MethodCreatePermission, to)) // our address is, whatever port is with it
				r.write(stun.NewType(stun.MethodSend, stun.ClassIndication), to, attr{stun.AttrData, []byte("\x80media")})
			}
		}
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)), "all is read")
		require.NoError(t, victim.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
		_, _, err = victim.ReadFrom(make([]byte, 100))
		require.ErrorContains(t, err, "timeout")
	})
}

// ofFamily is an address that says it is of another family.
type ofFamily struct {
	peer
	family byte
}

func (f ofFamily) AddTo(m *stun.Message) error {
	if err := f.peer.AddTo(m); err != nil {
		return err
	}
	a := m.Attributes[len(m.Attributes)-1]
	a.Value[1] = f.family
	return nil
}

// However an address is written, it is the same address, and not ours.
func anyAddress(t *testing.T) {
	g := gate{server: idle()}
	ours := g.server.cfg.Peers()[0]
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 100_000 {
		b := binary.BigEndian.AppendUint32(nil, random.Uint32())
		plain, _ := netip.AddrFromSlice(b)
		mapped := netip.AddrFrom16(plain.As16())
		if plain == ours.Addr() {
			continue
		}
		for _, a := range []netip.Addr{plain, mapped, within("64:ff9b::", b, 12), within("2002::", b, 2), within("::", b, 12)} {
			at := netip.AddrPortFrom(a.Unmap(), ours.Port())
			if g.allowed(at, true) || g.allowed(at, false) || g.server.permit(nil, a.AsSlice()) {
				t.Fatal(a)
			}
			if i%1000 != 0 {
				continue
			}
			read, err := peerOf(stun.MustBuild(stun.TransactionID, peer(netip.AddrPortFrom(a, ours.Port()))))
			require.NoError(t, err)
			require.Equal(t, at, read, "as the gate reads it off the wire")
		}
	}
	require.True(t, g.allowed(ours, true))
}

// within is an IPv6 address with an IPv4 address in it.
func within(prefix string, b []byte, at int) netip.Addr {
	a := netip.MustParseAddr(prefix).As16()
	copy(a[at:], b)
	return netip.AddrFrom16(a)
}

// RFC 6062 is not served: no Connect is heard, and no connection made.
func tcpConnections(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		victim, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(t, err)
		defer func() { _ = victim.Close() }()
		near := victim.Addr().(*net.TCPAddr).AddrPort()
		r := h.guest(t, network)
		require.Equal(t, stun.CodeUnsupportedTransProto, code(t, r.signed(stun.MethodAllocate, transport(6))))
		r.allocate()
		key := stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password)
		for _, method := range []stun.Method{stun.MethodConnect, stun.MethodConnectionBind} {
			r.write(stun.NewType(method, stun.ClassRequest), peer(near), stun.NewUsername(r.user), r.realm, r.nonce, key)
		}
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)), "the next answer is this one's")
		require.NoError(t, victim.SetDeadline(time.Now().Add(10*time.Millisecond)))
		_, err = victim.Accept()
		require.ErrorContains(t, err, "timeout")
		_, _, err = generator{h.Server}.AllocateConn("tcp4", 0)
		require.Error(t, err)
	})
}

// A thousand questions a second from one address for ten seconds: what is
// answered is ten a second, and far less than what came.
func reflection(t *testing.T) {
	inBubble(t, newLimits, func(t *testing.T, b *bubble) {
		const perSecond, seconds = 1000, 10
		r := b.visit(t)
		in, out, answers := 0, 0, 0
		for range seconds {
			for range perSecond {
				in += len(r.write(stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport(protocolUDP)).Raw)
				time.Sleep(time.Second / perSecond)
			}
			for _, d := range b.udp.sent() {
				require.Less(t, len(d.b), 128, "an answer is short")
				out += len(d.b)
				answers++
			}
		}
		require.GreaterOrEqual(t, answers, unauthorizedPerSource*seconds)
		require.LessOrEqual(t, answers, unauthorizedPerSource*(seconds+1))
		require.Less(t, out, in/10)
	})
}

// Forged addresses leave no trace, and get few answers all together.
func forgedAddresses(t *testing.T) {
	inBubble(t, newLimits, func(t *testing.T, b *bubble) {
		const sources = 100_000
		m := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport(protocolUDP))
		heap := func() uint64 {
			runtime.GC()
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			return stats.HeapAlloc
		}
		before := heap()
		out := 0
		for i := range sources {
			address := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			b.udp.in <- datagram{m.Raw, netip.AddrPortFrom(address, 5000)}
			if i%1000 == 0 {
				for _, d := range b.udp.sent() {
					out += len(d.b)
				}
			}
		}
		require.Empty(t, b.udp.sent(), "no time has passed")
		require.Positive(t, out)
		require.Less(t, out, sources*len(m.Raw)/10)
		require.Less(t, int64(heap())-int64(before), int64(10<<20))
	})
}
