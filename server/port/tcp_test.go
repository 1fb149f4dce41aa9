package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// serve answers HTTP/1 and HTTP/2 on the port.
func serve(t testing.TB, p *Port, h http.Handler) {
	t.Helper()
	s := &http.Server{Handler: h, Protocols: new(http.Protocols), ReadHeaderTimeout: patience}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(p.HTTP()) }()
	t.Cleanup(func() {
		_ = s.Close()
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}

// proto says which HTTP was spoken.
var proto = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })

func connect(t testing.TB, p *Port) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Announced()[0].String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c.(*net.TCPConn)
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	serve(t, p, proto)
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	h1 := &http.Transport{}
	defer h1.CloseIdleConnections()
	defer h2.CloseIdleConnections()
	for want, transport := range map[string]http.RoundTripper{"HTTP/1.1": h1, "HTTP/2.0": h2} {
		res, err := (&http.Client{Transport: transport}).Get("http://" + p.Addr().String() + "/")
		require.NoError(t, err)
		b, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.Equal(t, want, string(b))
	}
}

func TestHTTPByteByByte(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	serve(t, p, proto)
	c := connect(t, p)
	for _, b := range []byte("GET / HTTP/1.0\r\n\r\n") {
		_, err := c.Write([]byte{b})
		require.NoError(t, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
}

// Files go out through the wrapper as through the connection itself.
func TestHTTPFile(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	name := filepath.Join(t.TempDir(), "file")
	content := strings.Repeat("heliograph ", 100000)
	require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
	serve(t, p, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, name) }))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("http://" + p.Addr().String() + "/")
	require.NoError(t, err)
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, content, string(b))
}

func TestTURNStream(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := connect(t, p)
	_, err := c.Write(append(stunMessage(0x0003), "rest"...))
	require.NoError(t, err)
	got, err := p.TURNStreams().Accept()
	require.NoError(t, err)
	defer func() { _ = got.Close() }()
	require.NoError(t, got.SetDeadline(time.Now().Add(patience)))
	b := make([]byte, 24)
	_, err = io.ReadFull(got, b)
	require.NoError(t, err)
	require.Equal(t, append(stunMessage(0x0003), "rest"...), b)
	_, err = got.(io.ReaderFrom).ReadFrom(strings.NewReader("answer"))
	require.NoError(t, err)
	require.NoError(t, got.(interface{ CloseWrite() error }).CloseWrite())
	b, err = io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "answer", string(b))
}

// closed waits until the other end has closed or reset a connection.
func closed(t testing.TB, c net.Conn) {
	t.Helper()
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded), "still open")
}

func TestGarbageStreamsAreClosed(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	serve(t, p, proto)
	garbage := []string{"\x16\x03\x01\x02\x00", "\x03", "SSH-2.0-OpenSSH", "\x00\x16\x00\x00", "\xff\xff\xff\xff\xff\xff\xff\xff", "hello", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"}
	for _, g := range garbage {
		c := connect(t, p)
		_, err := c.Write([]byte(g))
		require.NoError(t, err)
		closed(t, c)
	}
	require.EqualValues(t, len(garbage), p.count.streams.garbage.Value())
	require.Zero(t, p.count.streams.http.Value())
}

// slow opens a port on which silence ends soon.
func slow(t testing.TB, timeout time.Duration) *Port {
	t.Helper()
	p, err := Listen(Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	p.streams.times = sniffTimes{first: timeout, agree: timeout}
	run(t, p)
	return p
}

func TestSilentStreamsAreClosed(t *testing.T) {
	t.Parallel()
	p := slow(t, 50*time.Millisecond)
	quiet, half := connect(t, p), connect(t, p)
	_, err := half.Write([]byte("GE"))
	require.NoError(t, err)
	closed(t, quiet)
	closed(t, half)
	eventually(t, "counted", func() bool { return p.count.streams.silent.Value() == 2 })
	eventually(t, "forgotten", func() bool {
		p.streams.mu.Lock()
		defer p.streams.mu.Unlock()
		return len(p.streams.perAddr) == 0 && p.streams.silent.Len() == 0
	})
}

// A thousand silent connections from one address hold few places, and
// whoever has something to say is served at once.
func TestSilentStreamsAreBounded(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	serve(t, p, proto)
	for range 1000 {
		connect(t, p)
	}
	eventually(t, "evicted", func() bool { return p.count.streams.evicted.Value() == 1000-maxSilentPerAddr })
	p.streams.mu.Lock()
	require.Equal(t, maxSilentPerAddr, p.streams.silent.Len())
	p.streams.mu.Unlock()
	c := connect(t, p)
	_, err := c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(b), "200 OK")
}

// Connections that nobody accepts are closed with their listener.
func TestListenerClose(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c := connect(t, p)
	_, err := c.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	eventually(t, "waiting", func() bool { return len(p.streams.door(StreamHTTP).conns) == 1 })
	require.NoError(t, p.HTTP().Close())
	closed(t, c)
	late := connect(t, p)
	_, err = late.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	require.NoError(t, err)
	closed(t, late)
}

// A connection that nobody has accepted yet does not keep the port from closing.
func TestClosesWithConnectionsInADoor(t *testing.T) {
	t.Parallel()
	p, err := Listen(Config{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	c := connect(t, p)
	_, err = io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
	require.NoError(t, err)
	door := p.streams.door(StreamHTTP)
	require.Eventually(t, func() bool { return len(door.conns) == 1 }, patience, time.Millisecond)
	cancel()
	select {
	case err := <-ended:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("the port does not close")
	}
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err)
}
