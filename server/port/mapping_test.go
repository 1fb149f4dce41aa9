package port

import (
	"bytes"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What the world sees is announced, and known to what is made with the port:
// the relay's clients get no private address. Later the socket that carries the
// media is asked about, and hears the answer.
func TestAnnouncesWhatTheWorldSees(t *testing.T) {
	t.Parallel()
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	var address atomic.Pointer[netip.Addr]
	tell := func(s string) {
		a := netip.MustParseAddr(s)
		address.Store(&a)
	}
	tell("203.0.113.7")
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, maxDatagram)
		for {
			n, from, err := server.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			var out [bindingSize]byte
			_, _ = server.WriteToUDPAddrPort(bindingAnswer(&out, b[:n], netip.AddrPortFrom(*address.Load(), from.Port())), from)
		}
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-ended
	})
	p, err := Listen(Config{Listen: "127.0.0.1:0", STUN: Host{Name: "127.0.0.1", Port: uint16(server.LocalAddr().(*net.UDPAddr).Port)}})
	require.NoError(t, err)
	want := netip.AddrPortFrom(netip.MustParseAddr("203.0.113.7"), p.Addr().Port())
	require.Equal(t, []netip.AddrPort{want}, p.Announced())
	require.Equal(t, want.Addr(), p.relay.ip)
	require.Contains(t, p.Candidates()[0], " 203.0.113.7 ")

	run(t, p)
	tell("203.0.113.8")
	p.addresses.Refresh(t.Context(), p.ask)
	require.Equal(t, "203.0.113.8", p.Announced()[0].Addr().String())
	require.Zero(t, p.count.unknown.Value(), "an answer that was asked for is of no session")
}

// The relay reaches the port under the number that clients know, and gives that
// to nobody else.
func TestRelayUnderAnotherNumber(t *testing.T) {
	t.Parallel()
	p, err := Listen(Config{Listen: "127.0.0.1:0", PublicHosts: []Host{{Name: "127.0.0.1", Port: 9000}}})
	require.NoError(t, err)
	run(t, p)
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	_, _, err = p.Allocate(9000)
	require.ErrorIs(t, err, ErrNoPort)
	c, virtual := allocate(t, p)
	check := stunMessage(0x0001, usernameAttr("ours:x")...)
	_, err = c.WriteTo(check, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9000})
	require.NoError(t, err)
	require.Equal(t, got{string(check), virtual}, in.next(t))
	require.NoError(t, p.Send([]byte("answer"), virtual))
	_, from, err := c.ReadFrom(make([]byte, 100))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:9000", from.String())
}

// To an answer that nobody wants nothing is said: two servers must not talk to
// each other for ever.
func TestAnswersAreNotAnswered(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := dial(t, p)
	var out [bindingSize]byte
	unasked := bytes.Clone(bindingAnswer(&out, stunMessage(0x0001), local(c)))
	for _, b := range [][]byte{unasked, stunMessage(0x0111), stunMessage(0x0001)} {
		_, err := c.Write(b)
		require.NoError(t, err)
	}
	require.Equal(t, string(unasked), read(t, c), "the answer to the request, which came last")
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := c.Read(make([]byte, maxDatagram))
	require.ErrorContains(t, err, "timeout")
}
