package turn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// hall is a server for connections in memory. Time passes as in a bubble.
type hall struct {
	*Server
	relay *memory
	door  *door
	peer  netip.AddrPort
	stop  func() // and waits for it
}

// inHall runs a test with a server of its own.
func inHall(t *testing.T, test func(t *testing.T, h *hall)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := &hall{
			relay: new(memory), peer: netip.MustParseAddrPort("192.0.2.1:8080"),
			door: &door{conns: make(chan net.Conn), done: make(chan struct{})},
		}
		var err error
		h.Server, err = New(Config{Streams: h.door, Relay: h.relay, Peers: func() []netip.AddrPort { return []netip.AddrPort{h.peer} }})
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- h.Run(ctx) }()
		h.stop = sync.OnceFunc(func() {
			cancel()
			require.NoError(t, <-ended)
			require.Zero(t, h.allocations.len())
			require.Empty(t, h.streams)
		})
		defer h.stop()
		test(t, h)
	})
}

// enter connects a client with a good credential, and returns the server's end of
// its connection too.
func (h *hall) enter(t *testing.T) (*raw, *napper) {
	t.Helper()
	client, server := net.Pipe()
	n := &napper{Conn: server}
	h.door.conns <- n
	t.Cleanup(func() { _ = client.Close() })
	user, password, _ := h.Credentials("guest")
	return &raw{t: t, conn: client, user: user, password: password}, n
}

// bound connects a client with a channel.
func (h *hall) bound(t *testing.T) (*raw, *napper) {
	t.Helper()
	r, n := h.enter(t)
	r.allocate()
	require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.peer))))
	return r, n
}

// door is where connections in memory come in.
type door struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.conns:
		return c, nil
	case <-d.done:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error {
	d.once.Do(func() { close(d.done) })
	return nil
}

func (d *door) Addr() net.Addr { return new(net.TCPAddr) }

// napper is a connection that waits as those of the port do.
type napper struct {
	net.Conn
	prefix []byte
	naps   atomic.Int32
}

func (n *napper) Read(b []byte) (int, error) {
	if len(n.prefix) > 0 {
		k := copy(b, n.prefix)
		n.prefix = n.prefix[k:]
		return k, nil
	}
	return n.Conn.Read(b)
}

func (n *napper) Wait() error {
	n.naps.Add(1)
	b := make([]byte, 1)
	k, err := n.Conn.Read(b)
	n.prefix = b[:k]
	return err
}

func (n *napper) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 5000}
}

// rest lets a client be silent until its connection sleeps for the nth time.
func rest(t *testing.T, n *napper, nth int32) {
	t.Helper()
	time.Sleep(restTime + time.Second)
	synctest.Wait()
	require.Equal(t, nth, n.naps.Load())
}

// A connection that sleeps is there for whatever comes, from either side.
func TestSleepingConnectionWakes(t *testing.T) {
	t.Parallel()
	inHall(t, func(t *testing.T, h *hall) {
		r, n := h.bound(t)
		relayed := h.relay.last()
		rest(t, n, 1)
		relayed.in <- datagram{}
		synctest.Wait()
		require.Len(t, relayed.in, 1, "nobody waits for what does not come this way")

		relayed.arrive([]byte("to the client"), h.peer)
		b := make([]byte, 100)
		k, err := r.conn.Read(b)
		require.NoError(t, err)
		require.Equal(t, channelData(0x4000, []byte("to the client")), b[:k])
		require.EqualValues(t, 1, n.naps.Load(), "that wakes nobody")

		_, err = r.conn.Write(channelData(0x4000, []byte("\x80from the client")))
		require.NoError(t, err)
		require.Equal(t, "\x80from the client", string(relayed.sent()[0].b))
		rest(t, n, 2)
		require.Zero(t, code(t, r.signed(stun.MethodCreatePermission, peer(h.peer))))
		rest(t, n, 3)
		require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
		require.Zero(t, h.allocations.len())
		r.allocate()
		rest(t, n, 4)
		require.Equal(t, 1, h.allocations.len(), "the end of one is not that of the next")
	})
}

// Media keep a connection awake, however seldom they come.
func TestMediaKeepAwake(t *testing.T) {
	t.Parallel()
	inHall(t, func(t *testing.T, h *hall) {
		r, n := h.bound(t)
		for range 10 {
			time.Sleep(restTime - time.Millisecond)
			_, err := r.conn.Write(channelData(0x4000, []byte("\x80from the client")))
			require.NoError(t, err)
		}
		require.Len(t, h.relay.last().sent(), 10)
		require.Zero(t, n.naps.Load())
	})
}

// Whoever ends an allocation ends it, and its connection, while that sleeps.
func TestSleepingConnectionEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *hall, r *raw, n *napper){
		"with its credential": func(h *hall, r *raw, _ *napper) { h.Revoke(r.user) },
		"by the client":       func(_ *hall, r *raw, _ *napper) { _ = r.conn.Close() },
		"by the network":      func(_ *hall, _ *raw, n *napper) { _ = n.Close() },
		"with the server":     func(h *hall, _ *raw, _ *napper) { h.stop() },
		"half a message":      func(_ *hall, r *raw, _ *napper) { _, _ = r.conn.Write([]byte{0x40}); time.Sleep(frameTimeout) },
		"garbage":             func(_ *hall, r *raw, _ *napper) { _, _ = r.conn.Write([]byte("GET ")) },
		"silence":             func(*hall, *raw, *napper) { time.Sleep(idleTimeout) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inHall(t, func(t *testing.T, h *hall) {
				r, n := h.bound(t)
				rest(t, n, 1)
				require.Equal(t, 1, h.allocations.len())
				end(h, r, n)
				synctest.Wait()
				require.Zero(t, h.allocations.len())
				require.True(t, h.relay.last().isClosed())
				_, err := n.Read(make([]byte, 1))
				require.True(t, errors.Is(err, io.ErrClosedPipe), "%v", err)
			})
		})
	}
}

// Sleep gives nobody more time: who has no allocation has as long as if awake.
func TestSleepGivesNoTime(t *testing.T) {
	t.Parallel()
	inHall(t, func(t *testing.T, h *hall) {
		r, n := h.enter(t)
		began := time.Now()
		r.bare(stun.MethodAllocate)
		rest(t, n, 1)
		_, err := r.conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, authTimeout, time.Since(began))
	})
}

// The same with the port's connections, in real time.
func TestPortConnectionsSleep(t *testing.T) {
	t.Parallel()
	over(t, []string{"tcp", "tls"}, func(t *testing.T, h *house, network string) {
		r := h.guest(t, network)
		r.allocate()
		h.mu.Lock()
		for _, s := range h.streams {
			require.Implements(t, new(waiter), s.Conn)
		}
		h.mu.Unlock()
		time.Sleep(restTime + 100*time.Millisecond) // where that is too short, the rest still holds
		require.NoError(t, r.conn.SetDeadline(time.Now().Add(patience)))
		in := make(inbox, 4)
		require.NoError(t, h.port.Register("ours", in))
		require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
		for range 2 {
			_, err := r.conn.Write(bytes.Repeat(channelData(0x4000, check("ours")), 2))
			require.NoError(t, err)
			require.Equal(t, string(check("ours"))[:8], in.next(t).b[:8])
			in.next(t)
		}
		h.Revoke(r.user)
		r.closed()
		require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
	})
}
