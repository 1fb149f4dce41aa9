package turn

import (
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port/limit"
)

// idle is a server that serves nobody, with one allocation.
func idle() *Server {
	s := &Server{
		family:      1,
		cfg:         Config{Realm: "live", Peers: func() []netip.AddrPort { return []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:8080")} }},
		credentials: newCredentials([]byte("s"), "live"), allocations: newAllocations(),
		limits: &limits{requests: limit.NewSources(1e6, 1e6), unauthorized: limit.NewSources(1e6, 1e6)},
	}
	s.count = newCounters(nil, s)
	return s
}

// The gate takes any bytes of anybody.
func FuzzGate(f *testing.F) {
	s := idle()
	who := client{addr: netip.MustParseAddrPort("198.51.100.1:5000")}
	s.allocations.reserve(who, "x")
	s.allocations.all[who].conn = new(relayConn)
	f.Add([]byte{0x40, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		g := gate{server: s, client: who, reply: func(answer []byte) { // strangers are told one thing only
			m := &stun.Message{Raw: answer}
			require.NoError(t, m.Decode())
			require.Equal(t, stun.BindingError, m.Type)
			require.Equal(t, stun.CodeUnknownAttribute, code(t, m))
		}}
		out := g.admit(b)
		defer g.hold.release()
		if len(out) > 20 && out[0] < 4 { // a Send indication to our peer, or else a bare request
			m := &stun.Message{Raw: out}
			require.NoError(t, m.Decode())
			to, err := peerOf(m)
			require.NoError(t, err)
			require.Equal(t, s.cfg.Peers()[0], to)
			require.Equal(t, stun.MethodSend, m.Type.Method)
		}
		if len(b) >= 4 {
			if n := frameSize(b); n != 0 && (n < 4 || n > 20+0xffff) {
				t.Fatal(n)
			}
		}
	})
}

// A client with a good credential may put anything into its requests. What the
// library gets to see of it is signed again and within the limits.
func FuzzSigned(f *testing.F) {
	s := idle()
	user, password, _ := s.credentials.issue("x", time.Now())
	g := gate{server: s, client: client{addr: netip.MustParseAddrPort("198.51.100.1:5000")}, reply: func(b []byte) {
		if (&stun.Message{Raw: b}).Decode() != nil {
			panic("an answer that is no message")
		}
	}}
	s.allocations.reserve(g.client, user)
	s.allocations.all[g.client].conn = new(relayConn)
	key := stun.NewLongTermIntegrity(user, "live", password)
	f.Fuzz(func(t *testing.T, method uint8, kind1 uint16, value1 []byte, kind2 uint16, value2 []byte) {
		if len(value1)+len(value2) > maxMessage {
			return
		}
		m, err := stun.Build(stun.TransactionID, stun.NewType(stun.Method(method&0xf), stun.ClassRequest),
			attr{stun.AttrType(kind1), value1}, attr{stun.AttrType(kind2), value2}, stun.NewUsername(user), stun.NewRealm("live"), key)
		if err != nil {
			return
		}
		out := g.admit(m.Raw)
		defer g.hold.release()
		if len(out) <= 20 {
			return
		}
		seen := &stun.Message{Raw: out}
		require.NoError(t, seen.Decode())
		require.NoError(t, key.Check(seen))
		require.False(t, seen.Contains(stun.AttrEvenPort))
		if v, err := seen.Get(stun.AttrLifetime); err == nil && len(v) == 4 {
			require.True(t, v[0] == 0 && v[1] == 0 && int(v[2])<<8+int(v[3]) <= 600)
		}
	})
}
