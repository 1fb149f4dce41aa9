package client

import (
	"encoding/binary"
	"net/netip"
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
	names   [batchSize]unix.RawSockaddrInet6 // also holds one of IPv4
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
		h.Iov, h.Name, h.Control = &b.vectors[i], (*byte)(unsafe.Pointer(&b.names[i])), &b.control[i][0]
		h.SetIovlen(1)
		b.reset(i)
	}
	return b
}

func (b *Batch) reset(i int) {
	h := &b.headers[i].Hdr
	h.Namelen = unix.SizeofSockaddrInet6
	h.SetControllen(controlSize)
}

// Read gives the client's handler what waits in its socket, and returns how
// many datagrams there were.
func (b *Batch) Read(c *Client) int {
	total := 0
	for range maxTurns {
		n := c.socket.receive(b)
		for i := range n {
			arrived, drops := readControl(b.control[i][:b.headers[i].Hdr.Controllen])
			if drops != 0 {
				c.socket.drops.Store(drops)
			}
			if arrived == 0 {
				arrived = time.Now().UnixNano()
			}
			b.deliver(c, i, arrived)
			b.reset(i)
		}
		if total += n; n < batchSize {
			break
		}
	}
	return total
}

func (b *Batch) deliver(c *Client, i int, arrived int64) {
	packet := b.buffers[i][:b.headers[i].Len]
	if len(packet) > 0 && packet[0] < 4 {
		c.datagram(packet, b.from(i), arrived)
		return
	}
	c.datagram(packet, netip.AddrPort{}, arrived) // only STUN asks whence
}

// from is the sender of packet i.
func (b *Batch) from(i int) netip.AddrPort {
	name := &b.names[i]
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		name4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(name4.Addr), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), port)
}

// receive fills b and returns how many datagrams there were. The socket does
// not block, so the runtime need not be told.
func (s *socket) receive(b *Batch) int {
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
