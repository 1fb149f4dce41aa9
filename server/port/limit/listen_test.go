package limit

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func listen(t *testing.T, cfg Config) *Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := Listen(ln, cfg)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func dial(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestTotalOfConnections(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	l := listen(t, Config{Total: 2, PerAddr: 1, Log: slog.New(slog.NewTextHandler(&logged, nil))})
	dial(t, l)
	first := accept(t, l)
	dial(t, l)
	accept(t, l) // loopback is not held to PerAddr
	require.Equal(t, 2, l.Open())

	over := []net.Conn{dial(t, l), dial(t, l)}
	accepted := make(chan net.Conn)
	go func() {
		c, _ := l.Accept()
		accepted <- c
	}()
	for _, c := range over {
		_, err := c.Read(make([]byte, 1))
		require.Error(t, err, "closed at once")
	}
	require.NoError(t, first.Close())
	_ = first.Close() // gives its place back only once
	require.Equal(t, 1, l.Open())
	dial(t, l)
	require.NotNil(t, <-accepted)
	require.Equal(t, 2, l.Open())
	require.EqualValues(t, 2, l.Refused())
	require.NoError(t, l.Close())
	require.Equal(t, 1, strings.Count(logged.String(), "refused"), "logged once a burst")
}

// fakeConn is a connection from elsewhere.
type fakeConn struct {
	net.Conn
	remote net.TCPAddr
}

func (c *fakeConn) RemoteAddr() net.Addr { return &c.remote }
func (c *fakeConn) Close() error         { return nil }

func TestConnectionsOfOneNetwork(t *testing.T) {
	t.Parallel()
	l := listen(t, Config{Total: 10, PerAddr: 2})
	from := func(ip string) net.Conn {
		return l.admit(&fakeConn{remote: net.TCPAddr{IP: net.ParseIP(ip), Port: 1}})
	}
	a := from("192.0.2.1")
	require.NotNil(t, a)
	require.NotNil(t, from("192.0.2.1"))
	require.Nil(t, from("192.0.2.1"))
	require.NotNil(t, from("192.0.2.2"))
	require.NoError(t, a.Close())
	require.NotNil(t, from("192.0.2.1"))
	require.NotNil(t, from("2001:db8::1"))
	require.NotNil(t, from("2001:db8::2"))
	require.Nil(t, from("2001:db8::3"), "one /64 is one network")
	require.Len(t, l.perAddr, 3)
}

// starved is a listener without file descriptors.
type starved struct {
	net.Listener
	once   sync.Once
	fails  int
	failed chan struct{}
}

func (s *starved) Accept() (net.Conn, error) {
	if s.fails > 0 {
		s.fails--
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	s.once.Do(func() { close(s.failed) })
	return s.Listener.Accept()
}

func TestAcceptGoesOn(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var logged bytes.Buffer
	s := &starved{Listener: ln, fails: 4, failed: make(chan struct{})}
	l := Listen(s, Config{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	dial(t, l)
	accept(t, l)
	<-s.failed
	require.NoError(t, l.Close())
	_, err = l.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
	require.Equal(t, 1, strings.Count(logged.String(), "\n"))
}

func TestCloseWhileStarved(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := Listen(&starved{Listener: ln, fails: 1 << 30, failed: make(chan struct{})}, Config{Log: slog.New(slog.DiscardHandler)})
	ended := make(chan error)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	require.NoError(t, l.Close())
	require.True(t, errors.Is(<-ended, net.ErrClosed))
}
