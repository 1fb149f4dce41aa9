package port

import (
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of ICE over TCP.
const (
	maxFramed           = 8192
	maxFramedPerNetwork = 256
	// proofTimeout is how long a connection may be without a check that a
	// session has found authentic.
	proofTimeout = 10 * time.Second
	// silenceTimeout is how long a client may say nothing: it checks its
	// consent every few seconds (RFC 7675).
	silenceTimeout = 60 * time.Second
	// frameTimeout is how long one write may take: then the client is stuck.
	frameTimeout = 10 * time.Second
	// framedPipe is how many datagrams wait for one client.
	framedPipe = 512
	// framedWrite is how much is written at once.
	framedWrite = 16 << 10
)

// framed is the table of the connections that carry ICE over TCP. Each client
// has a virtual address here, under which sessions learn it and send to it as
// to one that came by UDP. It is not the address that the client has: a UDP
// client may have the same.
type framed struct {
	// set at construction
	port   *Port
	places *places
	// guarded by mu
	mu       sync.RWMutex
	conns    map[netip.AddrPort]*framedConn
	networks map[netip.Addr]int
	made     uint64 // how many there have been
	closed   bool
}

func newFramed(p *Port, shared *places) *framed {
	return &framed{port: p, places: shared, conns: map[netip.AddrPort]*framedConn{}, networks: map[netip.Addr]int{}}
}

// The blocks from which virtual addresses are taken, of the client's own
// family: 255.0.0.0/9 and 100::/64, from which nothing is ever routed (RFC 1112
// section 4, RFC 6666). What claims to come from there by UDP is dropped. Some
// use the reserved addresses in their own networks, but from the lower end.
const virtual4 = 255

func virtual6() [8]byte { return [8]byte{0x01} }

// virtualAddr makes the address of the nth connection. Numbers come again only
// after 2^38 connections.
func virtualAddr(n uint64, ipv6 bool) netip.AddrPort {
	port := uint16(n)&0x7fff | 0x8000
	a := [16]byte{13: byte(n >> 31 & 0x7f), 14: byte(n >> 23), 15: byte(n >> 15)}
	if !ipv6 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{virtual4, a[13], a[14], a[15]}), port)
	}
	block := virtual6()
	copy(a[:], block[:])
	return netip.AddrPortFrom(netip.AddrFrom16(a), port)
}

// owns says whether an address is of the virtual blocks.
func (f *framed) owns(a netip.AddrPort) bool {
	if a.Addr().Is4() {
		b := a.Addr().As4()
		return b[0] == virtual4 && b[1] < 128
	}
	b := a.Addr().As16()
	return [8]byte(b[:8]) == virtual6()
}

// framedConn is one connection, and the pipe to it.
type framedConn struct {
	*pipe
	// set at construction
	table   *framed
	conn    net.Conn
	raw     io.Closer      // closes conn at once, without the farewell of TLS
	addr    netip.AddrPort // virtual
	remote  netip.AddrPort // where the client really is
	network netip.Addr
	opened  time.Time
}

// Remote returns where a client really is: another address than that of its
// datagrams when these come by ICE over TCP.
func (p *Port) Remote(from netip.AddrPort) netip.AddrPort {
	if p.framed.owns(from) {
		if c := p.framed.find(from); c != nil {
			return c.remote
		}
	}
	return from
}

func (f *framed) find(a netip.AddrPort) *framedConn {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.conns[a]
}

// add takes a connection on, or returns nil when there are too many.
func (f *framed) add(raw io.Closer, c net.Conn) *framedConn {
	remote := unmap(c.RemoteAddr().(*net.TCPAddr).AddrPort())
	network := limit.Network(remote.Addr())
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.conns) >= maxFramed || f.networks[network] >= maxFramedPerNetwork {
		return nil
	}
	k := &framedConn{
		pipe: newPipe(framedPipe, f.places), table: f, conn: c, raw: raw, remote: remote, network: network,
		addr: virtualAddr(f.made, remote.Addr().Is6()), opened: time.Now(),
	}
	f.made++
	f.conns[k.addr] = k
	f.networks[network]++
	return k
}

func (f *framed) remove(k *framedConn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, k.addr)
	if f.networks[k.network]--; f.networks[k.network] == 0 {
		delete(f.networks, k.network)
	}
}

// closeAll closes every connection and takes no more.
func (f *framed) closeAll() {
	for _, k := range f.shut() { // not while mu is held: they give back their places elsewhere
		k.end()
	}
}

// shut takes no more connections, and returns those that are there.
func (f *framed) shut() []*framedConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return slices.Collect(maps.Values(f.conns))
}

// send queues one datagram for the client of a virtual address.
func (f *framed) send(b []byte, to netip.AddrPort) error {
	k := f.find(to)
	if k == nil || k.isClosed() {
		f.port.count.framed.closed.Inc()
		return ErrGone
	}
	if !k.push(b, netip.AddrPort{}) {
		f.port.count.framed.full.Inc()
		return ErrFull
	}
	f.port.count.framed.out.Inc()
	return nil
}

// serve is the life of a connection that speaks ICE over TCP.
func (f *framed) serve(raw io.Closer, c net.Conn) {
	k := f.add(raw, c)
	if k == nil {
		f.port.count.framed.refused.Inc()
		_ = raw.Close()
		return
	}
	var writing sync.WaitGroup
	writing.Go(k.write)
	k.read()
	k.end()
	writing.Wait()
	f.remove(k)
	k.drain()
}

// end wakes both halves of the connection. It does not wait for a client that
// does not read: TLS would, to say farewell.
func (k *framedConn) end() {
	k.close()
	_ = k.raw.Close()
}

// read hands what the client sends to its session, until the client leaves,
// breaks the rules, or its session is gone.
func (k *framedConn) read() {
	r := newFrameReader(k.conn)
	for {
		if k.conn.SetReadDeadline(k.patience()) != nil {
			return
		}
		b, err := r.next()
		if err != nil {
			if errors.Is(err, errFrame) {
				k.table.port.count.streams.garbage.Inc()
			}
			return
		}
		if !k.take(b) {
			return
		}
	}
}

// patience is until when the next frame must be there.
func (k *framedConn) patience() time.Time {
	if k.proven() {
		return time.Now().Add(silenceTimeout)
	}
	return k.opened.Add(proofTimeout)
}

// proven says whether a session has learned the client's address.
func (k *framedConn) proven() bool { return k.table.port.sessions.byAddr(k.addr) != nil }

// take hands one datagram on. It says whether the connection may go on: it
// carries the ICE and the media of a session and nothing else.
func (k *framedConn) take(b []byte) bool {
	p := k.table.port
	class := ClassifyUDP(b)
	if class != ClassICE && class != ClassMedia {
		p.count.streams.garbage.Inc()
		return false
	}
	if class == ClassICE && isCheck(b) && !k.proven() && p.sessions.byUfrag(localUfrag(b)) == nil {
		p.count.unknown.Inc()
		return false
	}
	p.count.framed.in.Inc()
	p.deliverSafely(b, k.addr, class)
	return true
}

// bursts keeps what is written at once.
var bursts = sync.Pool{New: func() any { return new([framedWrite]byte) }}

// write sends what waits in the pipe, as much at once as there is.
func (k *framedConn) write() {
	defer k.end()
	for {
		select {
		case <-k.done:
			return
		case d := <-k.queue:
			if k.writeBurst(d) != nil {
				return
			}
		}
	}
}

// writeBurst writes a datagram and those that wait behind it.
func (k *framedConn) writeBurst(d *packet) error {
	buf := bursts.Get().(*[framedWrite]byte)
	defer bursts.Put(buf)
	out := buf[:0]
	for d != nil {
		out = appendFrame(out, d.b[:d.n])
		k.free(d)
		d = nil
		if len(out)+frameHead+maxDatagram <= framedWrite {
			select {
			case d = <-k.queue:
			default:
			}
		}
	}
	if err := k.conn.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return err
	}
	_, err := k.conn.Write(out)
	return err
}
