package port

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
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

// maxQueued bounds the datagrams that wait in pipes with the same places (2 KiB
// each): many clients that are stuck at once must not take the memory of the
// machine.
const maxQueued = 1 << 16

// crowdedPipe is how many datagrams may wait for one client while half of all
// places are taken: those that are stuck must leave room for those that read.
const crowdedPipe = 64

// places are shared by pipes: a datagram that waits takes one.
type places struct {
	// atomic
	taken atomic.Int64
}

// take takes a place for a pipe in which so many wait, and says whether it may
// have one.
func (p *places) take(waiting int) bool {
	n := p.taken.Add(1)
	if n > maxQueued || n > maxQueued/2 && waiting >= crowdedPipe {
		p.taken.Add(-1)
		return false
	}
	return true
}

// pipe is a bounded queue of datagrams from one goroutine to another, and the
// reading half of a net.PacketConn.
type pipe struct {
	// set at construction
	queue  chan *packet
	places *places
	done   chan struct{}
	// atomic
	once sync.Once
}

func newPipe(size int, shared *places) *pipe {
	return &pipe{queue: make(chan *packet, size), places: shared, done: make(chan struct{})}
}

// push copies b into the pipe and says whether there was room.
func (p *pipe) push(b []byte, from netip.AddrPort) bool {
	if !p.places.take(len(p.queue)) {
		return false
	}
	if !p.put(b, from) {
		p.places.taken.Add(-1)
		return false
	}
	if p.isClosed() { // meanwhile: nobody comes for it
		p.drain()
	}
	return true
}

// put is push with a place taken.
func (p *pipe) put(b []byte, from netip.AddrPort) bool {
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
		p.free(k)
		return n, from, nil
	case <-p.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// free gives back a datagram that was taken out, and its place.
func (p *pipe) free(k *packet) {
	packets.Put(k)
	p.places.taken.Add(-1)
}

// close wakes the reader for good; it says whether this was the first time.
func (p *pipe) close() (first bool) {
	p.once.Do(func() {
		close(p.done)
		first = true
	})
	return first
}

// drain drops what waits.
func (p *pipe) drain() {
	for {
		select {
		case k := <-p.queue:
			p.free(k)
		default:
			return
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
