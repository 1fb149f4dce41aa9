package handshake

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// What one handshake may send us. A certificate of the usual kind makes 1 kB
// and is repeated a few times at worst.
const (
	maxHandshakeBytes = 64 << 10
	maxQueuedRecords  = 16 // datagrams that DTLS has not read yet
)

// Content types of DTLS records (RFC 5246 section 6.2.1).
const (
	changeCipherSpec = 20
	alertRecord      = 21
	handshakeRecord  = 22
)

const recordHeader = 13 // bytes (RFC 6347 section 4.1)

// pipe is the packet connection that DTLS sees during a handshake: what
// arrives is put in by the port's reader, what leaves goes to wherever the
// client is. It remembers what will be needed when DTLS itself is gone.
type pipe struct {
	// set at construction
	send func(b []byte)
	in   chan []byte
	done chan struct{}
	once sync.Once

	// guarded by the association's mu
	taken int    // bytes put in
	alert []byte // the last encrypted alert: DTLS is not shown those

	// guarded by mu
	mu      sync.Mutex
	muted   bool
	flight  []byte // our last flight as it was sent
	goodbye []byte // close_notify, sealed when muted and not sent
}

func newPipe(send func(b []byte)) *pipe {
	return &pipe{send: send, in: make(chan []byte, maxQueuedRecords), done: make(chan struct{})}
}

// put hands one datagram to DTLS; it is dropped when DTLS does not keep up. A
// client that sends without end has its handshake ended: the library would
// keep up to 2 MB of fragments. The association's mu is held.
func (p *pipe) put(b []byte) {
	if p.taken += len(b); p.taken > maxHandshakeBytes {
		_ = p.Close()
		return
	}
	b = append([]byte(nil), b...)
	if isSealedAlert(b) {
		p.alert = b
		return
	}
	select {
	case p.in <- b:
	default:
	}
}

func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-p.done:
		return 0, nil, net.ErrClosed
	default:
	}
	select {
	case d := <-p.in:
		return copy(b, d), p.RemoteAddr(), nil
	case <-p.done:
		return 0, nil, net.ErrClosed
	}
}

func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) {
	if !p.keep(b) {
		p.send(b)
	}
	return len(b), nil
}

// keep remembers a datagram of ours that may be needed later, and tells
// whether it is not to be sent now.
func (p *pipe) keep(b []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.muted && isSealedAlert(b):
		p.goodbye = append([]byte(nil), b...)
		return true
	case len(b) > 0 && b[0] == changeCipherSpec: // Finished is in the same datagram
		p.flight = append([]byte(nil), b...)
	}
	return false
}

// mute has the close_notify of DTLS kept instead of sent.
func (p *pipe) mute() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.muted = true
}

// kept returns what keep has remembered.
func (p *pipe) kept() (flight, goodbye []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flight, p.goodbye
}

// Close ends reading, and with it the handshake. Writing goes on.
func (p *pipe) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

// SetReadDeadline ends reading: DTLS sets a deadline only when it gives up.
func (p *pipe) SetReadDeadline(t time.Time) error {
	if t.IsZero() {
		return nil
	}
	return p.Close()
}

// RemoteAddr is constant, whatever the client's: DTLS only compares it.
func (p *pipe) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4zero, Port: 1} }

func (p *pipe) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }
func (p *pipe) SetDeadline(t time.Time) error    { return p.SetReadDeadline(t) }
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }

// isSealedAlert tells whether a datagram begins with an alert of epoch 1, the
// only encrypted one.
func isSealedAlert(b []byte) bool {
	return len(b) > recordHeader && b[0] == alertRecord && binary.BigEndian.Uint16(b[3:]) == 1
}

// isHello tells whether a datagram begins with a ClientHello.
func isHello(b []byte) bool {
	const clientHello = 1
	return len(b) > recordHeader && b[0] == handshakeRecord && binary.BigEndian.Uint16(b[3:]) == 0 && b[recordHeader] == clientHello
}
