package port

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/port/udp"
)

// maxDatagram is the longest datagram taken in, by whatever way it comes.
const maxDatagram = udp.MaxDatagram

// packet is a datagram that waits in a pipe.
type packet struct {
	n    int
	from netip.AddrPort
	b    [maxDatagram]byte
}

// packets keeps buffers that are not in use.
var packets = sync.Pool{New: func() any { return new(packet) }}

// pipe is a bounded queue of datagrams from one goroutine to another, and the
// reading half of a net.PacketConn.
type pipe struct {
	// set at construction
	queue chan *packet
	done  chan struct{}
	// atomic
	once sync.Once
}

func newPipe(size int) *pipe {
	return &pipe{queue: make(chan *packet, size), done: make(chan struct{})}
}

// push copies b into the pipe and says whether there was room.
func (p *pipe) push(b []byte, from netip.AddrPort) bool {
	if len(b) > maxDatagram || len(p.queue) == cap(p.queue) {
		return false
	}
	k := packets.Get().(*packet)
	k.n, k.from = copy(k.b[:], b), from
	select {
	case p.queue <- k:
		return true
	default:
		packets.Put(k)
		return false
	}
}

// pop waits for a datagram and copies it into b, cutting what is too long.
func (p *pipe) pop(b []byte) (int, netip.AddrPort, error) {
	select {
	case k := <-p.queue:
		n, from := copy(b, k.b[:k.n]), k.from
		packets.Put(k)
		return n, from, nil
	case <-p.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// close wakes the reader for good; it says whether this was the first time.
func (p *pipe) close() (first bool) {
	p.once.Do(func() {
		close(p.done)
		first = true
	})
	return first
}

// drain drops what waits and says how much that was.
func (p *pipe) drain() (n int) {
	for {
		select {
		case k := <-p.queue:
			packets.Put(k)
			n++
		default:
			return n
		}
	}
}

// isClosed says whether close was called.
func (p *pipe) isClosed() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// noDeadline gives a pipe the deadlines of a net.PacketConn. The TURN server
// sets none, it closes.
type noDeadline struct{}

// SetDeadline does nothing.
func (noDeadline) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (noDeadline) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing: writes never block.
func (noDeadline) SetWriteDeadline(time.Time) error { return nil }

// udpAddr returns the address of a net.PacketConn's argument.
func udpAddr(a net.Addr) (netip.AddrPort, bool) {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	return unmap(u.AddrPort()), true
}
