//go:build !linux

package port

// batch is one datagram where the kernel gives no more with one call. A byte
// too many shows that a datagram was longer than those we take.
type batch [maxDatagram + 1]byte

// prepare has nothing to do here.
func (r *reader) prepare() {}

// receive reads and dispatches until an error.
func (r *reader) receive() error {
	for {
		n, from, err := r.socket.conn.ReadFromUDPAddrPort(r.batch[:])
		if err != nil {
			return err
		}
		if n > maxDatagram {
			r.port.count.long.Inc()
			continue
		}
		r.dispatch(r.batch[:n], unmap(from))
		r.settle()
	}
}
