package port

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
)

// accepted is a connection that gives its place back when it is closed.
type accepted struct {
	*net.TCPConn
	once    sync.Once
	release func()
}

// Close closes the connection; it may be called twice and from anywhere.
func (c *accepted) Close() error {
	c.once.Do(c.release)
	return c.TCPConn.Close()
}

// prefixConn is a connection of which the first bytes were read already.
type prefixConn struct {
	net.Conn
	prefix []byte // owned by the reader
}

// Read returns the bytes read already, then those of the connection.
func (c *prefixConn) Read(b []byte) (int, error) {
	if len(c.prefix) > 0 {
		n := copy(b, c.prefix)
		c.prefix = c.prefix[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// ReadFrom lets the kernel send files where it can: not through TLS.
func (c *prefixConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite ends the sending half.
func (c *prefixConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// secureConn is what was said in a TLS connection. Servers know by its
// ConnectionState that their client is behind TLS.
type secureConn struct {
	prefixConn
	tls *tls.Conn
}

// ConnectionState returns what was agreed on in the handshake.
func (c *secureConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
