package turn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/port"
)

// channelData frames b for a stream.
func channelData(number uint16, b []byte) []byte {
	out := binary.BigEndian.AppendUint16(nil, number)
	out = binary.BigEndian.AppendUint16(out, uint16(len(b)))
	out = append(out, b...)
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	return out
}

// bound is a TCP client with a channel to a session.
func bound(t *testing.T, h *house) (*raw, inbox) {
	t.Helper()
	in := make(inbox, 64)
	require.NoError(t, h.port.Register("ours", in))
	r := h.guest(t, "tcp")
	virtual := r.allocate()
	require.Zero(t, code(t, r.signed(stun.MethodChannelBind, channel(0x4000), peer(h.addr))))
	h.port.Learn(virtual, "ours")
	return r, in
}

// Two messages in one segment and one in many pieces are the same messages.
func streamFraming(t *testing.T) {
	h := open(t)
	r, in := bound(t, h)
	one, two := []byte("\x80media one"), []byte("\x80media two, longer")
	_, err := r.conn.Write(append(channelData(0x4000, one), channelData(0x4000, two)...))
	require.NoError(t, err)
	require.Equal(t, string(one), in.next(t).b)
	require.Equal(t, string(two), in.next(t).b)
	for _, b := range channelData(0x4000, two) {
		_, err := r.conn.Write([]byte{b})
		require.NoError(t, err)
	}
	require.Equal(t, string(two), in.next(t).b)
	// Messages too short to be media, and for channels nobody bound, vanish.
	for _, b := range [][]byte{channelData(0x4000, nil), channelData(0x4000, []byte("\x80\x60ab")), channelData(0x4001, one), channelData(0x4000, one)} {
		_, err := r.conn.Write(b)
		require.NoError(t, err)
	}
	require.Equal(t, string(one), in.next(t).b)
	require.Empty(t, in)
}

func TestStreamFramingErrorsClose(t *testing.T) {
	t.Parallel()
	h := open(t)
	for name, b := range map[string][]byte{
		"garbage":          []byte("GET / HTTP/1.1\r\n\r\n"),
		"too long":         {0x40, 0, 0xff, 0xff},
		"stun too long":    {0, 3, 0xff, 0xfc},
		"odd stun length":  {0, 3, 0, 3},
		"reserved channel": {0x50, 0, 0, 4},
	} {
		r := h.guest(t, "tcp")
		r.allocate()
		_, err := r.conn.Write(append(b, bytes.Repeat([]byte{0}, 40)...))
		require.NoError(t, err)
		r.closed()
		require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond, name)
	}
	require.EqualValues(t, 5, h.count.streamErrors.Value())
}

func TestStreamDeadlines(t *testing.T) {
	t.Parallel()
	h := open(t)
	r := h.rawDial(t, "tcp", "", "")
	r.bare(stun.MethodAllocate)
	h.mu.Lock()
	require.Len(t, h.streams, 1)
	for _, c := range h.streams {
		require.Equal(t, c.opened.Add(authTimeout), c.patience(), "without an allocation it has to end")
	}
	h.mu.Unlock()
	r.user, r.password, _ = h.Credentials("guest")
	r.allocate()
	h.mu.Lock()
	for _, c := range h.streams {
		require.Greater(t, time.Until(c.patience()), authTimeout)
	}
	h.mu.Unlock()
	require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
}

// However often a client begins anew, its connection costs no more than once.
func TestAllocationsOfOneStream(t *testing.T) { // alone: it counts goroutines
	h := open(t)
	r := h.guest(t, "tcp")
	r.allocate()
	require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
	before := runtime.NumGoroutine()
	for range 50 {
		r.allocate()
		require.Zero(t, code(t, r.signed(stun.MethodRefresh, lifetime(0))))
	}
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+5 }, patience, time.Millisecond)
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	h := open(t)
	for range maxStreamsPerNetwork {
		r := h.rawDial(t, "tcp", "", "")
		r.write(stun.BindingRequest)
		r.read()
	}
	r := h.rawDial(t, "tcp", "", "")
	r.write(stun.BindingRequest)
	r.closed()
}

// Beyond its bandwidth an allocation loses datagrams, each way for itself.
func TestRelayHasABandwidth(t *testing.T) {
	t.Parallel()
	h := open(t)
	inner, addr, err := h.port.Allocate(0)
	require.NoError(t, err)
	c := newRelayConn(h.Server, inner)
	data := append([]byte{0x80}, make([]byte, 1199)...)
	for range 2 * allocationBurst / len(data) {
		_, err := c.WriteTo(data, net.UDPAddrFromAddrPort(h.addr))
		require.NoError(t, err)
	}
	fromClient := h.count.capped.Value()
	require.Positive(t, fromClient)

	ended := make(chan error)
	go func() {
		b := make([]byte, 2000)
		for {
			if _, _, err := c.ReadFrom(b); err != nil {
				ended <- err
				return
			}
		}
	}()
	for h.count.capped.Value() == fromClient {
		err := h.port.Send(data, clientOf(addr).addr)
		require.True(t, err == nil || errors.Is(err, port.ErrFull), "%v", err)
		runtime.Gosched()
	}
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-ended, net.ErrClosed)
}

// Allocations cost no socket: as many are open as the clients opened.
func TestOpensNoSocket(t *testing.T) {
	h := open(t)
	sockets := func() (n int) {
		links, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("no /proc/self/fd here to count sockets in")
		}
		for _, l := range links {
			if to, err := os.Readlink(filepath.Join("/proc/self/fd", l.Name())); err == nil && strings.HasPrefix(to, "socket:") {
				n++
			}
		}
		return n
	}
	before := sockets()
	const clients = 10
	for range clients {
		h.guest(t, "udp").allocate()
	}
	require.Equal(t, before+clients, sockets())
}

func TestURLs(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"turn:live.example:8443?transport=tcp"}, URLs("live.example", "", 8443))
	require.Equal(t, []string{"turn:192.0.2.1:8080?transport=tcp"}, URLs("192.0.2.1", "", 8080))
	require.Equal(t, []string{"turn:[2001:db8::1]:8080?transport=tcp"}, URLs("2001:db8::1", "", 8080))
	require.Equal(t, []string{"turn:[2001:db8::1]:8080?transport=tcp"}, URLs("[2001:db8::1]", "", 8080))
	require.Equal(t, []string{"turn:192.0.2.1:443?transport=tcp", "turns:live.example:443?transport=tcp"}, URLs("192.0.2.1", "live.example", 443))
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{{}, {Streams: &net.TCPListener{}}} {
		_, err := New(cfg)
		require.Error(t, err)
	}
}
