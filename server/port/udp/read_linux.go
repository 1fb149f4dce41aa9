package udp

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams one system call brings at most.
const batchSize = 32

// received is the kernel's struct mmsghdr.
type received struct {
	header unix.Msghdr
	size   uint32
}

// batch is a recvmmsg in preparation and what came of the last one. It is used
// again and again, with the closure that RawConn wants, so that reading
// allocates nothing.
type batch struct {
	messages [batchSize]received
	vecs     [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // holds an IPv4 address as well
	data     [batchSize][MaxDatagram]byte
	asked    [batchSize]asking
	room     int // for what the kernel says of a datagram; 0 where it says nothing
	count    int // messages that hold a datagram
	next     int // the first of these not handed on
	errno    syscall.Errno
	call     func(fd uintptr) bool
}

// prepare ties the parts of the batch together.
func (r *Reader) prepare() {
	b := &r.batch
	for i := range b.messages {
		b.vecs[i].Base = &b.data[i][0]
		b.vecs[i].SetLen(MaxDatagram)
		h := &b.messages[i].header
		h.Iov, h.Iovlen = &b.vecs[i], 1
		h.Name, h.Namelen = (*byte)(unsafe.Pointer(&b.names[i])), unix.SizeofSockaddrInet6
	}
	if r.socket.tells {
		b.room = len(b.asked[0].data)
		for i := range b.messages {
			b.messages[i].header.Control = &b.asked[i].data[0]
			b.messages[i].header.SetControllen(b.room)
		}
	}
	b.call = r.ready
}

// read reads until an error.
func (r *Reader) read() error {
	r.drain() // what came with a datagram that the Handler failed on
	r.batch.errno = 0
	if err := r.socket.raw.Read(r.batch.call); err != nil {
		return err
	}
	return r.batch.errno
}

// ready reads until the socket is empty; it returns true on an error. The
// Handler runs in here because a datagram that arrives meanwhile is
// then remembered by the runtime: a batch that is not full ends with an empty
// socket, and no second call is needed to find that out.
func (r *Reader) ready(fd uintptr) bool {
	for {
		switch errno := r.batch.fill(fd); errno {
		case 0:
			r.drain()
			if r.batch.count < batchSize {
				return false
			}
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			r.batch.errno = errno
			return true
		}
	}
}

// fill reads what the socket has, up to a batch. As in sending the socket does
// not block and the runtime need not be told.
func (b *batch) fill(fd uintptr) syscall.Errno {
	for i := range b.count { // the kernel wrote the lengths of what it says here
		b.messages[i].header.Namelen = unix.SizeofSockaddrInet6
		b.messages[i].header.SetControllen(b.room)
	}
	b.next, b.count = 0, 0
	n, _, errno := syscall.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if errno == 0 {
		b.count = int(n)
	}
	return errno
}

// drain hands on what is left of the batch.
func (r *Reader) drain() {
	b := &r.batch
	for b.next < b.count {
		i := b.next
		b.next++ // at once: if the Handler fails this one is over
		m := &b.messages[i]
		if m.header.Flags&unix.MSG_TRUNC != 0 {
			r.socket.count.Long.Inc()
			continue
		}
		r.handler.Datagram(b.data[i][:m.size], addressOf(&b.names[i]), b.asked[i].asked(&m.header))
	}
	r.handler.Emptied()
}

// addressOf reads an address as the kernel writes it. A zone is named by its
// number, which unlike the name of an interface needs no looking up.
func addressOf(name *unix.RawSockaddrInet6) netip.AddrPort {
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		return netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr), port)
	}
	a := netip.AddrFrom16(name.Addr).Unmap()
	if name.Scope_id != 0 {
		a = a.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return netip.AddrPortFrom(a, port)
}
