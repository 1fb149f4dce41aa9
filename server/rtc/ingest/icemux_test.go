package ingest

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

type nobody struct{}

func (nobody) Receive([]byte, netip.AddrPort) {}

// newMux returns a mux on a port of its own.
func newMux(t *testing.T) (*iceMux, *port.Port) {
	t.Helper()
	p, err := port.Listen(port.Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	mux, err := newICEMux(p, &offer.Offer{Ufrag: "them", Password: "the client's password"}, newCounters(nil))
	require.NoError(t, err)
	t.Cleanup(func() { _ = mux.Close() })
	return mux, p
}

// check is a check of a client that knows the password.
func check(c lite.Credentials) []byte {
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewUsername(c.Ufrag+":them"),
		ice.PriorityAttr(1), ice.AttrControlling(1), ice.UseCandidate(), stun.NewShortTermIntegrity(c.Password), stun.Fingerprint).Raw
}

// next returns what comes to pion next.
func (m *iceMux) next(t *testing.T) []byte {
	t.Helper()
	select {
	case d := <-m.conn.queue:
		return d.b
	case <-time.After(patience):
		t.Fatal("nothing came")
		return nil
	}
}

// Whoever has a session of its own can forge a check that seems to come from
// a publisher's address. It must not cost the publisher its stream.
func TestAddressIsTakenBack(t *testing.T) {
	t.Parallel()
	mux, p := newMux(t)
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	from := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	require.NoError(t, p.Register("thief", nobody{}))
	mux.Receive(check(mux.credentials), from)
	require.True(t, isSTUN(mux.next(t)), "pion is shown the path")
	for range 2 {
		p.Learn(from, "thief")
		mux.send([]byte{0x80, 200, 0, 0})
		media := []byte{0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}
		_, err = socket.WriteTo(media, net.UDPAddrFromAddrPort(p.Addr()))
		require.NoError(t, err)
		require.Equal(t, media, mux.next(t))
	}
}

// Pion hears of no other check than the one that is made up for it, and what it
// answers to that goes nowhere.
func TestPionKnowsNothingOfThePath(t *testing.T) {
	t.Parallel()
	mux, _ := newMux(t)
	wrong := mux.credentials
	wrong.Password = "not the password"
	from := netip.MustParseAddrPort("127.0.0.1:9")
	mux.Receive(check(wrong), from)
	mux.Receive([]byte{0, 1, 0, 0}, from)
	require.Empty(t, mux.conn.queue)
	require.Nil(t, mux.to.Load())

	mux.Receive(check(mux.credentials), from)
	require.Equal(t, from, *mux.to.Load())
	mux.send(mux.next(t)) // STUN
	require.False(t, mux.known.Load())
	mux.send([]byte{22, 254, 253})
	mux.Receive(check(mux.credentials), from)
	require.Empty(t, mux.conn.queue, "once is enough")
}
