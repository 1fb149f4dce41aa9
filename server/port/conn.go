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
	// owned by the reader
	prefix []byte
	next   [1]byte
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

// Wait waits until there is something to read, which takes less memory than to
// read. It is for who has read all there is: a Read has ended by its deadline.
func (c *prefixConn) Wait() error {
	if len(c.prefix) > 0 {
		return nil
	}
	n, err := c.Conn.Read(c.next[:])
	c.prefix = c.next[:n]
	return err
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
	tls   *tls.Conn
	plain *prefixConn // what is below
}

// Wait waits until there is something to decrypt. What package tls holds after a
// Read that has ended by its deadline is less than a record.
func (c *secureConn) Wait() error { return c.plain.Wait() }

// ConnectionState returns what was agreed on in the handshake.
func (c *secureConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }
