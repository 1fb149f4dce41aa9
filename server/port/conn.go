package port

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"time"
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

// stuckTime is how long one write of a record of TLS may take, after which the
// client is gone or means to hold us up.
const stuckTime = 30 * time.Second

// below is what TLS reads from and writes to. Package tls writes while it reads,
// when the client has it change keys, and no deadline for reading ends that; Close
// would wait for it, and with Close whoever stops a server. So who reads nothing
// does not keep the connection.
type below struct {
	net.Conn
	// owned by the writer, of whom package tls lets there be one
	stuck *time.Timer // closes the connection
}

// Write closes the connection when it takes too long.
func (c *below) Write(b []byte) (int, error) {
	if c.stuck == nil {
		c.stuck = time.AfterFunc(stuckTime, func() { _ = c.Conn.Close() })
	} else {
		c.stuck.Reset(stuckTime)
	}
	defer c.stuck.Stop()
	return c.Conn.Write(b)
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
