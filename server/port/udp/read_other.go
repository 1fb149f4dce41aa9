//go:build !linux

package udp

import "net/netip"

// batch is one datagram where the kernel gives no more with one call. A byte
// too many shows that a datagram was longer than those we take.
type batch [MaxDatagram + 1]byte

// prepare has nothing to do here.
func (r *Reader) prepare() {}

// read reads until an error.
func (r *Reader) read() error {
	for {
		n, from, err := r.socket.conn.ReadFromUDPAddrPort(r.batch[:])
		if err != nil {
			return err
		}
		if n > MaxDatagram {
			r.socket.count.Long.Inc()
			continue
		}
		r.handler.Datagram(r.batch[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), netip.Addr{})
		r.handler.Emptied()
	}
}
