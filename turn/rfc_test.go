package turn

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
)

// TestTURN has a row for each thing that RFC 8489 (STUN) and RFC 8656 (TURN) ask
// of a server and that clients depend on.
func TestTURN(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		test func(*testing.T)
	}{
		{"N1 vectors of RFC 5769", vectors},
		{"N2 Binding", bindingAnswers},
		{"N2 unknown attributes", unknownAttributes},
		{"N2 FINGERPRINT", fingerprints},
		{"N3 asks for credentials", asksForCredentials},
		{"N3 checks credentials", checksCredentials},
		{"N3 stale nonce", staleNonce},
		{"N4 Allocate", allocateAnswers},
		{"N4 without an allocation", withoutAllocation},
		{"N4 other credentials", otherCredentials},
		{"N4 quota", quota},
		{"N4 no ports", noPorts},
		{"N5 lifetimes", lifetimes},
		{"N5 retransmitted Allocate", retransmittedAllocate},
		{"N6 Refresh of 0 and expiry", endsOfAllocations},
		{"N7 CreatePermission", permissions},
		{"N7 permissions last 300 s", permissionsLast},
		{"N8 without permission", withoutPermission},
		{"N9 ChannelBind", channels},
		{"N9 channels last 600 s", channelsLast},
		{"N10 framing over TCP", streamFraming},
		{"N11 EVEN-PORT, RESERVATION-TOKEN and DONT-FRAGMENT", reservations},
		{"N12 loops", loops},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.test(t)
		})
	}
}

// The request of section 2.4, whose name, password and realm are not of ASCII
// only. What is signed for the library has to be as long-lived. The other
// vectors are tested where checks and plain Binding requests are read.
func vectors(t *testing.T) {
	request := []byte("\x00\x01\x00\x60\x21\x12\xa4\x42\x78\xad\x34\x33\xc6\xad\x72\xc0\x29\xda\x41\x2e" +
		"\x00\x06\x00\x12\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9\x00\x00" +
		"\x00\x15\x00\x1cf//499k954d6OL34oL9FSTvy64sA" + "\x00\x14\x00\x0bexample.org\x00" +
		"\x00\x08\x00\x14\xf6\x70\x24\x65\x6d\xd6\x4a\x3e\x02\xb8\xe0\x71\x2e\x85\xc9\xa2\x8c\xa8\x96\x66")
	m := &stun.Message{Raw: request}
	require.NoError(t, m.Decode())
	var user stun.Username
	var realm stun.Realm
	var nonce stun.Nonce
	require.NoError(t, m.Parse(&user, &realm, &nonce))
	require.Equal(t, "マトリックス example.org f//499k954d6OL34oL9FSTvy64sA", user.String()+" "+realm.String()+" "+nonce.String())
	key := stun.NewLongTermIntegrity(user.String(), realm.String(), "TheMatrIX")
	require.NoError(t, key.Check(m))
	require.Empty(t, notUnderstood(m))
	require.Equal(t, request, rebuild(m, key), "the padding is of zeros too")
}

// An answer tells where the request came from, and that it was this request's.
func bindingAnswers(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.rawDial(t, network, "", "")
		request := r.write(stun.BindingRequest, stun.Fingerprint)
		m := r.read()
		require.Equal(t, stun.BindingSuccess, m.Type)
		require.Equal(t, request.TransactionID, m.TransactionID)
		var x stun.XORMappedAddress
		require.NoError(t, x.GetFrom(m))
		require.Equal(t, r.conn.LocalAddr().String(), x.String())
	})
}

// What has to be understood and is not is named, to strangers over TCP and to
// those with a credential.
func unknownAttributes(t *testing.T) {
	strange := []stun.Setter{attr{0x7ffe, nil}, attr{0xfffe, []byte("may be ignored")}, attr{0x0003, make([]byte, 4)}}
	named := func(t *testing.T, m *stun.Message) {
		t.Helper()
		require.Equal(t, stun.CodeUnknownAttribute, code(t, m))
		var all stun.UnknownAttributes
		require.NoError(t, all.GetFrom(m))
		require.Equal(t, stun.UnknownAttributes{0x7ffe, 0x0003}, all)
	}
	h := open(t)
	r := h.rawDial(t, "tcp", "", "")
	r.write(append([]stun.Setter{stun.BindingRequest}, strange...)...)
	named(t, r.read())
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		m := r.signed(stun.MethodAllocate, append(strange, transport(17))...)
		named(t, m)
		require.NoError(t, stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password).Check(m))
		require.Zero(t, h.allocations.len())
		r.allocate(attr{0xfffe, []byte("may be ignored")})
	})
}

// A FINGERPRINT that is wrong makes it another protocol's message, which gets no
// answer.
func fingerprints(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.rawDial(t, network, "", "")
		allocate := stun.NewType(stun.MethodAllocate, stun.ClassRequest)
		r.write(allocate, attr{stun.AttrFingerprint, []byte("evil")})
		sent := r.write(allocate, stun.Fingerprint)
		require.Equal(t, sent.TransactionID, r.read().TransactionID)
		require.EqualValues(t, 1, h.count.malformed.Value())
	})
}

func asksForCredentials(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.rawDial(t, network, "", "")
		m := r.bare(stun.MethodAllocate)
		require.Equal(t, stun.CodeUnauthorized, code(t, m))
		require.Equal(t, defaultRealm, r.realm.String())
		require.NotEmpty(t, r.nonce)
		require.False(t, m.Contains(stun.AttrSoftware), "which would make it longer")
	})
}

// A nonce lasts an hour, after which a client gets another and goes on.
func staleNonce(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		for range 7 {
			time.Sleep(9 * time.Minute)
			old := r.nonce.String()
			m := r.signed(stun.MethodRefresh)
			if time.Since(bubbleBegins) <= time.Hour {
				require.Zero(t, code(t, m))
				continue
			}
			require.Equal(t, stun.CodeStaleNonce, code(t, m))
			require.NoError(t, m.Parse(&r.nonce, &r.realm))
			require.NotEqual(t, old, r.nonce.String())
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)), "a credential lasts as long as its allocation")
		}
	})
}

// bubbleBegins is when time begins in every bubble of testing/synctest.
var bubbleBegins = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// empty is a relay that has no port left.
type empty struct{ Relay }

func (empty) Allocate(int) (net.PacketConn, net.Addr, error) { return nil, nil, port.ErrNoPort }

func noPorts(t *testing.T) {
	h := openWith(t, "127.0.0.1:0", noLimits(), func(r Relay) Relay { return empty{r} })
	r := h.guest(t, "udp")
	for range maxPerCredential + 1 {
		require.Equal(t, stun.CodeInsufficientCapacity, code(t, r.signed(stun.MethodAllocate, transport(17))))
		require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond, "its place is given back")
	}
}

// An allocation that ends, by its client's wish or by itself, gives back its
// relayed address, and its client may begin anew.
func endsOfAllocations(t *testing.T) {
	for name, end := range map[string]func(r *raw){
		"Refresh of 0": func(r *raw) { require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0)))) },
		"expiry":       func(*raw) { time.Sleep(lifeSpan) },
	} {
		inBubble(t, noLimits, func(t *testing.T, b *bubble) {
			r := b.visit(t)
			r.allocate()
			relayed := b.relay.last()
			time.Sleep(lifeSpan - time.Second)
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			time.Sleep(lifeSpan - time.Second)
			require.False(t, relayed.isClosed(), name)
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			end(r)
			require.True(t, relayed.isClosed(), name)
			require.Zero(t, b.allocations.len(), name)
			require.Equal(t, stun.CodeAllocMismatch, code(t, r.signed(stun.MethodRefresh)), name)
			r.allocate()
		})
	}
}

// sendTo is a Send indication.
func sendTo(to netip.AddrPort, data string) []stun.Setter {
	return []stun.Setter{stun.NewType(stun.MethodSend, stun.ClassIndication), peer(to), attr{stun.AttrData, []byte(data)}}
}

// Permissions are for several peers at once, and for all or none.
func permissions(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		foreign := netip.MustParseAddrPort("192.0.2.3:8080")
		six := netip.MustParseAddrPort("[2001:db8::1]:8080")
		require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]), peer(foreign))))
		require.Equal(t, stun.CodePeerAddrFamilyMismatch, code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]), peer(six))))
		require.Equal(t, stun.CodeBadRequest, code(t, r.signed(stun.MethodCreatePermission)))
		r.write(sendTo(b.peers[0], "\x80media")...)
		require.Empty(t, b.relay.last().sent(), "none of several")
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]), peer(b.peers[1]))))
		for _, to := range b.peers {
			r.write(sendTo(to, "\x80media")...)
			require.Equal(t, []datagram{{[]byte("\x80media"), to}}, b.relay.last().sent())
		}
	})
}

// Neither what the client sends nor what the peer sends makes a permission last
// longer.
func permissionsLast(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		relayed := b.relay.last()
		passes := func(want bool) {
			t.Helper()
			r.write(sendTo(b.peers[0], "\x80media")...)
			require.Equal(t, want, len(relayed.sent()) == 1)
			relayed.arrive([]byte("\x80media"), b.peers[0])
			require.Equal(t, want, len(b.udp.sent()) == 1)
		}
		passes(false)
		for range 2 {
			for range 2 {
				require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]))))
				passes(true)
				time.Sleep(299 * time.Second)
				passes(true)
				require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			}
			time.Sleep(2 * time.Second)
			passes(false)
		}
	})
}

// What may not pass vanishes: no error tells that it did.
func withoutPermission(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.write(sendTo(b.peers[0], "\x80media")...)
		_, err := r.conn.Write(channelData(0x4000, []byte("\x80media")))
		require.NoError(t, err)
		require.Empty(t, b.udp.sent(), "without an allocation")
		r.allocate()
		r.write(sendTo(b.peers[0], "\x80media")...)
		_, err = r.conn.Write(channelData(0x4000, []byte("\x80media")))
		require.NoError(t, err)
		require.Empty(t, b.relay.last().sent())
		b.relay.last().arrive([]byte("\x80media"), b.peers[0])
		require.Empty(t, b.udp.sent())
	})
}

func channels(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		bind := func(setters ...stun.Setter) stun.ErrorCode {
			return code(t, r.signed(stun.MethodChannelBind, setters...))
		}
		one, two := peer(b.peers[0]), peer(b.peers[1])
		for _, number := range []uint16{0, 1, 0x3fff, 0x5000, 0x7fff, 0x8000, 0xffff} {
			require.Equal(t, stun.CodeBadRequest, bind(channel(number), one), "%x", number)
		}
		require.Equal(t, stun.CodeBadRequest, bind(one), "no number")
		require.Equal(t, stun.CodeBadRequest, bind(attr{stun.AttrChannelNumber, []byte{0x40, 0}}, one), "half a number")
		require.Equal(t, stun.CodeBadRequest, bind(channel(0x4000)), "no peer")
		require.Equal(t, stun.CodeForbidden, bind(channel(0x4000), peer(netip.MustParseAddrPort("192.0.2.3:8080"))))
		require.Equal(t, stun.CodeForbidden, bind(channel(0x4000), peer(netip.MustParseAddrPort("192.0.2.1:8081"))), "another port")
		require.Zero(t, bind(channel(0x4000), one))
		require.Zero(t, bind(channel(0x4000), one), "again")
		require.Equal(t, stun.CodeBadRequest, bind(channel(0x4000), two), "the same number for another peer")
		require.Equal(t, stun.CodeBadRequest, bind(channel(0x4001), one), "another number for the same peer")
		require.Zero(t, bind(channel(0x4fff), two))
	})
}

// A channel lasts twice as long as a permission, and its data need no other.
func channelsLast(t *testing.T) {
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		passes := func(want bool) {
			t.Helper()
			_, err := r.conn.Write(channelData(0x4000, []byte("\x80media")))
			require.NoError(t, err)
			require.Equal(t, want, len(b.relay.last().sent()) == 1)
			b.relay.last().arrive([]byte("\x80media"), b.peers[0])
			back := b.udp.sent()
			require.Equal(t, want, len(back) == 1)
			if want {
				require.Equal(t, "\x40\x00\x00\x06\x80media", string(back[0].b))
			}
		}
		passes(false)
		require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(b.peers[0]))))
		for range 2 {
			passes(true)
			time.Sleep(299 * time.Second)
			passes(true)
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			time.Sleep(299 * time.Second)
			passes(true)
			require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
			require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(b.peers[0]))), "once more")
		}
		time.Sleep(599 * time.Second)
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
		time.Sleep(2 * time.Second)
		passes(false)
	})
}

// Pairs of ports and whole datagrams are not to be had.
func reservations(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		allocate := func(with ...stun.Setter) *stun.Message {
			return r.signed(stun.MethodAllocate, append(with, transport(17))...)
		}
		even, pair, token := attr{stun.AttrEvenPort, []byte{0}}, attr{stun.AttrEvenPort, []byte{0x80}}, attr{stun.AttrReservationToken, make([]byte, 8)}
		require.Equal(t, stun.CodeBadRequest, code(t, allocate(even, token)))
		require.Equal(t, stun.CodeBadRequest, code(t, allocate(pair, token)))
		require.Equal(t, stun.CodeBadRequest, code(t, allocate(attr{stun.AttrEvenPort, nil})))
		require.Equal(t, stun.CodeInsufficientCapacity, code(t, allocate(pair)))
		require.Equal(t, stun.CodeInsufficientCapacity, code(t, allocate(token)))
		m := allocate(attr{stun.AttrDontFragment, nil})
		require.Equal(t, stun.CodeUnknownAttribute, code(t, m))
		var unknown stun.UnknownAttributes
		require.NoError(t, unknown.GetFrom(m))
		require.Equal(t, stun.UnknownAttributes{stun.AttrDontFragment}, unknown)
		require.Zero(t, h.allocations.len())
		require.Zero(t, r.allocate(even).Port()%2)
	})
}

// Nothing goes from relayed address to relayed address, nor by a relayed address
// to the TURN server itself.
func loops(t *testing.T) {
	both(t, func(t *testing.T, h *house, network string) {
		other := h.guest(t, network).allocate()
		r := h.guest(t, network)
		for _, to := range []netip.AddrPort{r.allocate(), other} {
			require.Equal(t, stun.CodeForbidden, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(to))))
			before := h.count.foreign.Value()
			r.write(sendTo(to, "\x80media")...)
			require.Eventually(t, func() bool { return h.count.foreign.Value() == before+1 }, patience, time.Millisecond)
		}
		require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
		for _, inner := range [][]byte{
			stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport(17)).Raw,
			stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw, channelData(0x4000, []byte("\x80media")),
		} {
			_, err := r.conn.Write(channelData(0x4000, inner))
			require.NoError(t, err)
		}
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)), "the next answer is this one's")
		require.Equal(t, 2, h.allocations.len())
	})
}
