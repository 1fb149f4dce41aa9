package client

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 64 // packets of one system call
	maxTurns  = 8  // system calls of one Read
)

// Batch reads the sockets of detached clients, many packets with one system
// call: it is what makes a client cheap. It wakes up for nobody: it is called
// now and then, and finds what has come since, each with the time at which the
// kernel got it.
//
// It does not ask the kernel to join packets (UDP_GRO). With that, packets
// that are sent over the loopback in segments (UDP_SEGMENT) would never be cut
// up, which a network card or the path to it has to do: the server would look
// cheaper than it is.
type Batch struct {
	// owned by the caller of Read
	headers [batchSize]unix.Mmsghdr
	vectors [batchSize]unix.Iovec
	control [batchSize][controlSize]byte
	buffers [batchSize][maxDatagram]byte
}

// NewBatch returns a batch. One goroutine may use it for any number of clients.
func NewBatch() *Batch {
	b := &Batch{}
	for i := range b.headers {
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(maxDatagram)
		h := &b.headers[i].Hdr
		h.Iov, h.Control = &b.vectors[i], &b.control[i][0]
		h.SetIovlen(1)
		h.SetControllen(controlSize)
	}
	return b
}

// Read gives the client's handler what waits for it, and returns how many
// datagrams there were.
func (b *Batch) Read(c *Client) int { return c.link.receive(b, c) }

// receive reads until the socket is empty. Whom each datagram came from costs
// too much to ask: what is to be answered is taken to be the server's.
func (s *socket) receive(b *Batch, c *Client) int {
	total, from := 0, c.server()
	for range maxTurns {
		n := s.fill(b)
		for i := range n {
			arrived, drops := readControl(b.control[i][:b.headers[i].Hdr.Controllen])
			if drops != 0 {
				s.drops.Store(drops)
			}
			if arrived == 0 {
				arrived = time.Now().UnixNano()
			}
			c.arrived(b.buffers[i][:b.headers[i].Len], from, arrived)
			b.headers[i].Hdr.SetControllen(controlSize)
		}
		if total += n; n < batchSize {
			break
		}
	}
	return total
}

// fill reads once into b and returns how many datagrams there were. The socket
// does not block, so the runtime need not be told.
func (s *socket) fill(b *Batch) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&b.headers[0])),
		batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
