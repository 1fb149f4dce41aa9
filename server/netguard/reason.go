package netguard

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Reason is why a connection failed, as far as a person can do something about
// it.
type Reason int

// The reasons.
const (
	Other   Reason = iota // the error's own words help more
	Refusal               // the guard refused the address
	Unknown               // the name cannot be found
	Closed                // there is a host, but its port is closed
	NoWay                 // the network has no way to it
	Silent                // nobody answered in time
	Broken                // it broke off
)

// Why returns the reason of an error.
func Why(err error) Reason {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, ErrRefused):
		return Refusal
	case errors.As(err, &dns) && dns.IsNotFound:
		return Unknown
	case errors.Is(err, syscall.ECONNREFUSED):
		return Closed
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return NoWay
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Silent
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return Broken
	}
	return Other
}
