// Package udp is the UDP sockets of one address: where the kernel can share an
// address out, one for each processor, each with a part of the clients. They
// are read in batches, and many datagrams to one receiver are sent with one
// call where the kernel cuts them.
//
// It knows no protocol and no client. Reading and sending allocate nothing.
package udp

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"github.com/heliograph/heliograph/server/metric"
)

// MaxDatagram is the longest datagram taken in, in bytes. Paths carry 1500;
// what is longer is dropped.
const MaxDatagram = 2048

// ErrCongested says that the socket's buffer is full, for everybody and not
// because of the receiver: the datagrams, or the rest of them, are lost as they
// might be later on their way.
var ErrCongested = errors.New("socket buffer full")

// Handler takes what a Reader reads.
type Handler interface {
	// Datagram takes one datagram; b is valid only during the call. An IPv4
	// address is one, whatever the socket's family. At is our address that it was
	// sent to; it is valid only on a socket bound to all addresses, and where the
	// system says it (Linux).
	Datagram(b []byte, from netip.AddrPort, at netip.Addr)
	// Emptied is called when the datagrams that were read together are handed on.
	Emptied()
}

// Counters are what the sockets of one address count together.
type Counters struct {
	Long   *metric.Counter // datagrams dropped because they were longer than MaxDatagram
	Full   *metric.Counter // sends that ended with ErrCongested
	Uncuts *metric.Counter // times that cutting by the kernel was switched off
}

// Open takes over a bound socket and adds others with its address until there
// are n, or as many as the kernel gives; there may be but one. They start
// nothing, and what arrives waits in the kernel. When Open fails, the socket is
// closed.
func Open(first *net.UDPConn, n int, log *slog.Logger, count Counters) ([]*Socket, error) {
	conns := shareOut(first, n)
	cut := newCutting(log, count.Uncuts)
	sockets := make([]*Socket, len(conns))
	var err error
	for i, c := range conns {
		var failed error
		sockets[i], failed = newSocket(c, cut, count)
		err = errors.Join(err, failed)
	}
	if err != nil {
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
		return nil, err
	}
	sockets[0].checkBuffers(log)
	return sockets, nil
}
