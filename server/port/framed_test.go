package port

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// peer is a client that speaks ICE over TCP.
type peer struct {
	net.Conn
	frames *frameReader
}

func newPeer(c net.Conn) *peer { return &peer{c, newFrameReader(c)} }

func (p *peer) say(t testing.TB, b []byte) {
	t.Helper()
	_, err := p.Write(appendFrame(nil, b))
	require.NoError(t, err)
}

func (p *peer) hear(t testing.TB) string {
	t.Helper()
	b, err := p.frames.next()
	require.NoError(t, err)
	return string(b)
}

func check(ufrag string) []byte { return stunMessage(0x0001, usernameAttr(ufrag+":theirs")...) }

// A session sees no difference between a client by UDP and one by TCP, with or
// without TLS, but that the address is none that could be spoofed by UDP.
func TestICEOverTCP(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	for name, c := range map[string]*peer{"plain": newPeer(connect(t, p)), "tls": newPeer(secure(t, p, client))} {
		in := newInbox()
		require.NoError(t, p.Register(name, in))
		c.say(t, check(name))
		got := in.next(t)
		require.Equal(t, string(check(name)), got.b)
		require.True(t, p.framed.owns(got.from))
		require.Equal(t, c.LocalAddr().(*net.TCPAddr).AddrPort(), p.Remote(got.from))
		require.NoError(t, p.Send([]byte("answer"), got.from))
		require.Equal(t, "answer", c.hear(t))

		p.Learn(got.from, name)
		c.say(t, []byte("\x80media"))
		require.Equal(t, "\x80media", in.next(t).b)
		require.NoError(t, p.Sender(1).SendSegments([]byte("aaabbbc"), 3, got.from))
		for _, want := range []string{"aaa", "bbb", "c"} {
			require.Equal(t, want, c.hear(t))
		}
		require.NoError(t, c.Close())
		eventually(t, "not known any more", func() bool { return p.Remote(got.from) == got.from })
		require.ErrorIs(t, p.Send([]byte("x"), got.from), ErrGone)
	}
	require.EqualValues(t, 2, p.count.streams.ice.Value())
}

// Only the ICE and the media of a session may pass: what else comes ends the
// connection, and no second protocol can hide behind the first.
func TestNothingElseInFrames(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	serve(t, p, proto)
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	for name, what := range map[string][]byte{
		"turn": stunMessage(0x0003), "plain": stunMessage(0x0001), "channel": {0x40, 0, 0, 4, 1, 2, 3, 4}, "text": []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		c := newPeer(connect(t, p))
		c.say(t, check("ours"))
		p.Learn(in.next(t).from, "ours")
		c.say(t, what)
		_, err := io.ReadAll(c)
		require.False(t, isTimeout(err), name)
	}
	c := newPeer(connect(t, p))
	c.say(t, check("ours"))
	in.next(t)
	_, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
	require.NoError(t, err)
	answer, err := io.ReadAll(c)
	require.False(t, isTimeout(err))
	require.Empty(t, answer)
	require.Empty(t, in)
	require.Zero(t, p.count.streams.http.Value())
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// Who names no session of ours is sent away at once, and who names one but
// proves nothing, soon.
func TestStrangersOverTCP(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := newPeer(connect(t, p))
	c.say(t, check("nobody"))
	closed(t, c)
	k := &framedConn{table: p.framed, opened: time.Now().Add(-proofTimeout)}
	require.False(t, k.patience().After(time.Now()))
}

// A session that ends takes its connections with it.
func TestConnectionEndsWithItsSession(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	c := newPeer(connect(t, p))
	c.say(t, check("ours"))
	p.Learn(in.next(t).from, "ours")
	p.Unregister("ours")
	c.say(t, check("ours"))
	closed(t, c)
}

// A UDP client with the address and port of a TCP client is another client, and
// nobody can send by UDP in a TCP client's name.
func TestAddressesAreNotConfused(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	a, b := newInbox(), newInbox()
	require.NoError(t, p.Register("tcp", a))
	require.NoError(t, p.Register("udp", b))
	c := newPeer(connect(t, p))
	c.say(t, check("tcp"))
	byTCP := a.next(t).from
	p.Learn(byTCP, "tcp")
	u, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(c.LocalAddr().(*net.TCPAddr).AddrPort()), net.UDPAddrFromAddrPort(p.Addr()))
	require.NoError(t, err)
	defer func() { _ = u.Close() }()
	_, err = u.Write(check("udp"))
	require.NoError(t, err)
	byUDP := b.next(t).from
	require.NotEqual(t, byTCP, byUDP)
	p.Learn(byUDP, "udp")
	_, err = u.Write([]byte("\x80udp"))
	require.NoError(t, err)
	require.Equal(t, "\x80udp", b.next(t).b)
	c.say(t, []byte("\x80tcp"))
	require.Equal(t, "\x80tcp", a.next(t).b)

	newReader(p, p.senders[0].socket).Datagram([]byte("\x80spoofed"), byTCP, netip.Addr{})
	require.EqualValues(t, 1, p.count.spoofed.Value())
	require.Empty(t, a)
}

func TestVirtualAddresses(t *testing.T) {
	t.Parallel()
	f := newFramed(nil, nil)
	seen := map[netip.AddrPort]bool{}
	for _, n := range []uint64{0, 1, 1<<15 - 1, 1 << 15, 1 << 23, 1 << 31, 1<<38 - 1} {
		for _, ipv6 := range []bool{false, true} {
			a := virtualAddr(n, ipv6)
			require.True(t, f.owns(a), a)
			require.Equal(t, ipv6, a.Addr().Is6())
			require.False(t, seen[a])
			seen[a] = true
		}
	}
	for _, real := range []string{"192.0.2.1:5", "255.255.255.255:1", "[2001:db8::1]:5", "[::ffff:255.0.0.1]:5", "127.0.0.1:1"} {
		require.False(t, f.owns(netip.MustParseAddrPort(real)), real)
	}
	require.False(t, f.owns(netip.AddrPort{}))
}

// A client that does not read costs its pipe and no more, and its sender is
// told and never held up.
func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	in := newInbox()
	require.NoError(t, p.Register("ours", in))
	c := newPeer(connect(t, p))
	c.say(t, check("ours"))
	to := in.next(t).from
	d := make([]byte, 1200)
	eventually(t, "full", func() bool {
		for range 10_000 {
			_ = p.Send(d, to)
		}
		return errors.Is(p.Sender(0).SendSegments(d, 100, to), ErrFull)
	})
	require.NoError(t, c.Close())
	eventually(t, "gone", func() bool { return p.framed.places.taken.Load() == 0 && p.framed.find(to) == nil })
}

func TestFramedConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	a, b := net.Pipe()
	defer func() { _ = b.Close() }()
	for range maxFramedPerNetwork {
		require.NotNil(t, p.framed.add(a, from{a}))
	}
	require.Nil(t, p.framed.add(a, from{a}))
	p.framed.serve(a, from{a})
	_, err := b.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.EqualValues(t, 1, p.count.framed.refused.Value())
}

// reluctant is a connection within TLS whose client does not read, so that its
// end would have to wait.
type reluctant struct {
	from
	t testing.TB
}

func (c reluctant) Close() error {
	c.t.Error("waits for a client")
	return nil
}

// The end of the port and of a connection waits for no client.
func TestFramedConnectionsEndAtOnce(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	a, b := net.Pipe()
	ended := make(chan struct{})
	go func() {
		p.framed.serve(a, reluctant{from{a}, t})
		close(ended)
	}()
	eventually(t, "served", func() bool { return p.framed.find(virtualAddr(0, false)) != nil })
	p.framed.closeAll()
	<-ended
	_, err := b.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	c, d := net.Pipe()
	p.framed.serve(c, reluctant{from{c}, t})
	_, err = d.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "none begins any more")
}

// from is a connection from elsewhere.
type from struct{ net.Conn }

func (from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5} }

// After TURN comes TURN: a second protocol on the connection is the TURN
// server's to refuse, and HTTP's own server gets what comes after HTTP.
func TestFirstProtocolStays(t *testing.T) {
	t.Parallel()
	p, client := openTLS(t, defaultTimes())
	for _, c := range []net.Conn{connect(t, p), secure(t, p, client)} {
		_, err := c.Write(append(stunMessage(0x0003), "GET / HTTP/1.1\r\n\r\n"...))
		require.NoError(t, err)
		got, err := p.TURNStreams().Accept()
		require.NoError(t, err)
		b := make([]byte, stunHeader+18)
		_, err = io.ReadFull(got, b)
		require.NoError(t, err)
		require.True(t, bytes.HasSuffix(b, []byte("\r\n\r\n")))
		require.NoError(t, got.Close())

		var d net.Conn = connect(t, p)
		if _, ok := c.(*tls.Conn); ok {
			d = secure(t, p, client)
		}
		_, err = d.Write(append([]byte("GET / HTTP/1.1\r\n\r\n"), stunMessage(0x0003)...))
		require.NoError(t, err)
		got, err = p.HTTP().Accept()
		require.NoError(t, err)
		_, err = io.ReadFull(got, b)
		require.NoError(t, err)
		require.True(t, bytes.HasPrefix(b, []byte("GET / HTTP/1.1\r\n\r\n\x00\x03")))
		require.NoError(t, got.Close())
	}
	require.EqualValues(t, 2, p.count.streams.turn.Value())
	require.EqualValues(t, 2, p.count.streams.http.Value())
}
