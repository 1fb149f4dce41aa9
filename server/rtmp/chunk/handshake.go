package chunk

import (
	"crypto/rand"
	"fmt"
	"io"
)

const (
	version       = 3
	handshakeSize = 1536
)

// Accept is the server's side of the handshake, section 5.2. Both sides send
// random bytes and the other's back; nobody checks them, because many clients
// send something else.
func Accept(rw io.ReadWriter) error {
	var c [1 + handshakeSize]byte
	if _, err := io.ReadFull(rw, c[:1]); err != nil {
		return err
	}
	if c[0] != version {
		return fmt.Errorf("%w: version %d, this server speaks %d", ErrMalformed, c[0], version)
	}
	if _, err := io.ReadFull(rw, c[1:]); err != nil {
		return err
	}
	if _, err := rw.Write(append(hello(), c[1:]...)); err != nil {
		return err
	}
	_, err := io.ReadFull(rw, c[1:])
	return err
}

// Connect is the client's side of the handshake.
func Connect(rw io.ReadWriter) error {
	if _, err := rw.Write(hello()); err != nil {
		return err
	}
	var s [1 + handshakeSize]byte
	if _, err := io.ReadFull(rw, s[:]); err != nil {
		return err
	}
	if s[0] != version {
		return fmt.Errorf("%w: version %d", ErrMalformed, s[0])
	}
	c2 := append([]byte(nil), s[1:]...)
	if _, err := io.ReadFull(rw, s[1:]); err != nil {
		return err
	}
	_, err := rw.Write(c2)
	return err
}

// hello is C0 and C1, or S0 and S1: the version, a time of zero, four bytes of
// zero (other values mean the handshake with digests), and random bytes.
func hello() []byte {
	b := make([]byte, 1+handshakeSize)
	b[0] = version
	_, _ = rand.Read(b[9:]) // never fails
	return b
}
