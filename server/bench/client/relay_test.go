package client

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fakeTURN is as much of a TURN server as a client needs: it asks for a
// credential, makes one allocation and sends back what comes by a channel.
type fakeTURN struct {
	t        *testing.T
	refusing stun.ErrorCode // what an authentic Allocate gets; 0 to accept it
	addr     *net.TCPAddr
}

func (f *fakeTURN) run(way Way) {
	f.t.Helper()
	if way == UDP {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		require.NoError(f.t, err)
		f.t.Cleanup(func() { _ = conn.Close() })
		f.addr = &net.TCPAddr{Port: conn.LocalAddr().(*net.UDPAddr).Port}
		go func() {
			b := make([]byte, maxDatagram)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(b)
				if err != nil {
					return
				}
				_, _ = conn.WriteToUDPAddrPort(f.answer(b[:n]), from)
			}
		}()
		return
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(f.t, err)
	f.addr = l.Addr().(*net.TCPAddr)
	if way == TLS {
		id, err := NewIdentity()
		require.NoError(f.t, err)
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{id.certificate}})
	}
	f.t.Cleanup(func() { _ = l.Close() })
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		b := make([]byte, maxDatagram)
		for {
			if _, err := io.ReadFull(conn, b[:4]); err != nil {
				return
			}
			size := 4 + (int(binary.BigEndian.Uint16(b[2:]))+3)&^3
			if b[0] < 4 {
				size += 16
			}
			if _, err := io.ReadFull(conn, b[4:size]); err != nil {
				return
			}
			if _, err := conn.Write(f.answer(b[:size])); err != nil {
				return
			}
		}
	}()
}

func (f *fakeTURN) answer(b []byte) []byte {
	if b[0] >= 0x40 {
		return b
	}
	m := &stun.Message{Raw: b}
	if m.Decode() != nil {
		return nil
	}
	with := func(class stun.MessageClass, setters ...stun.Setter) []byte {
		return stun.MustBuild(append([]stun.Setter{stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(m.Type.Method, class)}, setters...)...).Raw
	}
	key := stun.NewLongTermIntegrity("user", "realm", "password")
	switch {
	case !m.Contains(stun.AttrMessageIntegrity) || key.Check(m) != nil:
		return with(stun.ClassErrorResponse, stun.CodeUnauthorized, stun.NewRealm("realm"), stun.NewNonce("nonce"))
	case m.Type.Method == stun.MethodAllocate && f.refusing != 0:
		return with(stun.ClassErrorResponse, f.refusing, key)
	}
	return with(stun.ClassSuccessResponse, key)
}

// relayed is a client that is to come through a fake TURN server.
func relayed(t *testing.T, f *fakeTURN, way Way, h Handler) *Client {
	t.Helper()
	f.run(way)
	id, err := NewIdentity()
	require.NoError(t, err)
	c, err := NewRelayed(id, net.IPv4(127, 0, 0, 1), h)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	c.answer = &answer{addresses: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:4000"), netip.MustParseAddrPort("192.0.2.8:4000")}}
	c.Through(Relay{Way: way, Host: "127.0.0.1", Port: f.addr.Port, Username: "user", Password: "password"})
	c.open.Store(true)
	return c
}

func TestRelayed(t *testing.T) {
	t.Parallel()
	for _, way := range []Way{UDP, TCP, TLS} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			k := &taker{packets: []string{}}
			c := relayed(t, &fakeTURN{t: t}, way, k)
			assert.NotContains(t, c.Offer(), "a=candidate", "the server is to learn the relayed address alone")
			require.NoError(t, c.relay.open(t.Context(), c))
			came := func(n int) func() bool {
				return func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.count == n }
			}
			c.send([]byte("\x80one"), netip.MustParseAddrPort("192.0.2.8:4000"))
			c.send([]byte("\x80nowhere"), netip.MustParseAddrPort("192.0.2.9:4000"))
			require.Eventually(t, came(1), 10*time.Second, time.Millisecond)
			require.Equal(t, []string{"\x80one"}, k.packets)
			c.relay.refresh(time.Now().Add(time.Hour)) // its answers are nobody's
			if runtime.GOOS != "linux" {
				return
			}
			require.True(t, c.Detach())
			b, want := NewBatch(), []string{"\x80one"}
			before := time.Now().Add(-10 * time.Second).UnixNano()
			for i := range 150 {
				want = append(want, "\x80"+strings.Repeat("x", i*7))
				c.send([]byte(want[i+1]), netip.MustParseAddrPort("192.0.2.7:4000"))
				if i%10 == 9 { // no more at once than a socket takes
					require.Eventually(t, func() bool { b.Read(c); return came(i + 2)() }, 10*time.Second, time.Millisecond)
				}
			}
			require.Equal(t, want, k.packets, "whole and in order")
			for _, at := range k.arrived {
				require.Greater(t, at, before)
				require.LessOrEqual(t, at, time.Now().UnixNano())
			}
		})
	}
}

func TestRelayRefuses(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]struct {
		refusing stun.ErrorCode
		change   func(*Relay)
	}{
		"it refused Allocate: 486":   {stun.CodeAllocQuotaReached, func(*Relay) {}},
		"does not take the username": {0, func(r *Relay) { r.Password = "wrong" }},
		"none was named":             {0, func(r *Relay) { *r = Relay{} }},
		"no connection to":           {0, func(r *Relay) { r.Port, r.Way = 1, TCP }},
	} {
		client := relayed(t, &fakeTURN{t: t, refusing: c.refusing}, UDP, &taker{})
		c.change(&client.relay.to)
		err := client.relay.open(t.Context(), client)
		require.ErrorIs(t, err, ErrRelay, want)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "wrong")
	}
}

// A connection on which something else comes than TURN ends the client.
func TestStreamOfGarbage(t *testing.T) {
	t.Parallel()
	c := newClient(&Identity{}, netip.AddrPort{}, &taker{})
	s := &stream{raw: &rawConn{arrived: 1}, buf: make([]byte, streamBuffer)}
	s.held = copy(s.buf, "GET / HTTP/1.1\r\n\r\n")
	assert.Zero(t, s.split(c))
	assert.True(t, s.broken)
	assert.Equal(t, -1, s.piece(c))
}
