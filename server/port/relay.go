package port

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The virtual ports of relayed addresses. They lie below the range from which
// systems give ports to clients, so that no program on this machine can have
// the same address by chance.
const (
	firstVirtual = 1024
	lastVirtual  = 31999
)

// pipeSize is how many datagrams wait for one TURN client whose relayed address
// forwards nothing (see Forward): few, as all clients pay for them.
const pipeSize = 32

// retireFor is how long a closed relayed address is given to nobody else: the
// session that used it still sends until its consent checks fail (RFC 7675).
const retireFor = time.Minute

// relay is the table of virtual relayed addresses. Their IP is the one that was
// announced at start: browsers accept our own everywhere.
type relay struct {
	// set at construction
	port   *Port
	ip     netip.Addr
	places *places
	// guarded by mu
	mu      sync.RWMutex
	pipes   map[uint16]*relayConn
	retired []*relayConn // closed ones still in pipes, the oldest first
}

func newRelay(p *Port, shared *places) *relay {
	r := &relay{port: p, places: shared, pipes: map[uint16]*relayConn{}}
	announced := p.Announced()
	r.ip = announced[0].Addr()
	for _, a := range announced {
		if a.Addr().Is4() { // a TURN client gets IPv4 unless it asks (RFC 8656 section 7.2)
			r.ip = a.Addr()
			break
		}
	}
	return r
}

// relayConn is one virtual relayed address, as the TURN server sees it.
type relayConn struct {
	*pipe
	noDeadline
	// set at construction
	relay *relay
	addr  netip.AddrPort
	// guarded by relay.mu
	closedAt time.Time
	// atomic
	peer    atomic.Pointer[ownAddr] // our address that the client last sent to
	forward atomic.Pointer[forward]
}

// ownAddr is an address of ours in both its forms.
type ownAddr struct {
	addr netip.AddrPort
	net  *net.UDPAddr
}

func newOwnAddr(a netip.AddrPort) *ownAddr { return &ownAddr{a, net.UDPAddrFromAddrPort(a)} }

// forward takes what is sent to a relayed address: datagrams of size bytes, of
// which the last may be shorter, from an address of ours. It says whether there
// was room for them. It must not block, and not keep b. It is an alias: who uses
// relayed addresses may write the type out and know no name.
type forward = func(b []byte, size int, from netip.AddrPort) (room bool)

// Forward has what is sent from now on handed to f by whoever sends it, instead
// of waiting for ReadFrom, where each datagram is copied twice and wakes a
// goroutine.
func (c *relayConn) Forward(f forward) { c.forward.Store(&f) }

// Allocate makes a virtual relayed address for a TURN client: what is written
// to it reaches our own sessions and nothing else, what these send to it is
// read from it. A port of 0 picks an even one. It fails with ErrNoPort.
func (p *Port) Allocate(port int) (net.PacketConn, net.Addr, error) {
	return p.relay.allocate(port)
}

func (r *relay) allocate(port int) (net.PacketConn, net.Addr, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweep(time.Now())
	number, ok := r.free(port)
	if !ok {
		return nil, nil, fmt.Errorf("relay port %d: %w", port, ErrNoPort)
	}
	c := &relayConn{pipe: newPipe(pipeSize, r.places), relay: r, addr: netip.AddrPortFrom(r.ip, number)}
	c.peer.Store(newOwnAddr(r.defaultPeer()))
	r.pipes[number] = c
	return c, net.UDPAddrFromAddrPort(c.addr), nil
}

// free picks an unused virtual port: the one asked for, or a random one, so
// that nobody guesses where the next client will be. It is even, which some
// clients ask for (EVEN-PORT) and nobody minds.
func (r *relay) free(port int) (uint16, bool) {
	if port != 0 {
		ok := port >= firstVirtual && port <= lastVirtual && r.usable(uint16(port))
		return uint16(port), ok
	}
	for range 64 {
		n := uint16(firstVirtual + 2*rand.IntN((lastVirtual-firstVirtual+1)/2))
		if r.usable(n) {
			return n, true
		}
	}
	return 0, false
}

// usable says whether a virtual port is free and not the port itself, under
// whatever number clients know that.
func (r *relay) usable(n uint16) bool {
	return r.pipes[n] == nil && n != r.port.local.Port() &&
		!slices.ContainsFunc(r.port.Peers(), func(p netip.AddrPort) bool { return p.Port() == n })
}

// defaultPeer is our address of the relay's family.
func (r *relay) defaultPeer() netip.AddrPort {
	for _, p := range r.port.Peers() {
		if p.Addr() == r.ip {
			return p
		}
	}
	return netip.AddrPortFrom(r.ip, r.port.local.Port())
}

// sweep frees the ports that were retired long enough.
func (r *relay) sweep(now time.Time) {
	for len(r.retired) > 0 && now.Sub(r.retired[0].closedAt) > retireFor {
		delete(r.pipes, r.retired[0].addr.Port())
		r.retired = r.retired[1:]
	}
}

// owns says whether an address is a virtual one, live or just retired.
func (r *relay) owns(a netip.AddrPort) bool {
	return a.Addr() == r.ip && a.Port() <= lastVirtual && r.find(a.Port()) != nil
}

func (r *relay) find(port uint16) *relayConn {
	r.mu.RLock()
	c := r.pipes[port]
	r.mu.RUnlock()
	return c
}

// send sends datagrams of size bytes, of which the last may be shorter, to the
// client of a virtual address.
func (r *relay) send(b []byte, size int, to netip.AddrPort) error {
	c := r.find(to.Port())
	if c == nil || c.isClosed() {
		r.port.count.relay.closed.Inc()
		return ErrGone
	}
	n, room := c.hand(b, size)
	r.port.count.relay.out.Add(uint64(n))
	if !room {
		r.port.count.relay.full.Inc()
		return ErrFull
	}
	return nil
}

// hand forwards or queues datagrams. It returns how many there was room for, and
// whether it was all.
func (c *relayConn) hand(b []byte, size int) (n int, room bool) {
	if size > maxDatagram {
		return 0, false
	}
	if f := c.forward.Load(); f != nil {
		if !(*f)(b, size, c.peer.Load().addr) {
			return 0, false
		}
		return (len(b) + size - 1) / size, true
	}
	for ; len(b) > 0; n++ {
		k := min(size, len(b))
		if !c.push(b[:k], netip.AddrPort{}) {
			return n, false
		}
		b = b[k:]
	}
	return n, true
}

// closeAll closes every relayed address.
func (r *relay) closeAll() {
	r.mu.RLock()
	all := make([]*relayConn, 0, len(r.pipes))
	for _, c := range r.pipes {
		all = append(all, c)
	}
	r.mu.RUnlock()
	for _, c := range all {
		_ = c.Close()
	}
}

// WriteTo takes a datagram of the TURN client. The only peers are our own
// announced addresses, and all that goes in there is ICE and media: no TURN
// through TURN, no plain STUN. Anything else vanishes, as in a network.
func (c *relayConn) WriteTo(b []byte, to net.Addr) (int, error) {
	p := c.relay.port
	if c.isClosed() {
		return 0, net.ErrClosed
	}
	a, ok := udpAddr(to)
	if !ok || !p.isPeer(a) {
		p.count.relay.foreign.Inc()
		return len(b), nil
	}
	class := ClassifyUDP(b)
	if class != ClassICE && class != ClassMedia {
		p.count.relay.refused.Inc()
		return len(b), nil
	}
	if c.peer.Load().addr != a {
		c.peer.Store(newOwnAddr(a))
	}
	p.count.relay.in.Inc()
	p.deliverSafely(b, c.addr, class)
	return len(b), nil
}

// ReadFrom waits for a datagram to the client. It comes from the address of
// ours that the client last sent to, which is the one it has a channel for.
func (c *relayConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, _, err := c.pop(b)
	if err != nil {
		return 0, nil, err
	}
	return n, c.peer.Load().net, nil
}

// Close ends the relayed address. Its port stays unused for a while.
func (c *relayConn) Close() error {
	if !c.pipe.close() {
		return nil
	}
	c.drain()
	c.relay.mu.Lock()
	defer c.relay.mu.Unlock()
	c.closedAt = time.Now()
	c.relay.retired = append(c.relay.retired, c)
	return nil
}

// LocalAddr is the virtual relayed address.
func (c *relayConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }
