package turn

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// way brings datagrams to a client.
type way interface {
	// burst sends datagrams of size bytes, of which the last may be shorter, each
	// behind its header. It says whether there was room for them, does not block
	// and does not keep b.
	burst(h header, b []byte, size int) (room bool)
}

// segments is a packet connection that sends many datagrams at once, all of size
// bytes but for the last, which may be shorter.
type segments interface {
	SendSegments(b []byte, size int, to netip.AddrPort) error
}

// wayTo returns the way to a client, or nil when there is none that takes bursts.
func (s *Server) wayTo(c client) way {
	if !c.tcp {
		if out, ok := s.cfg.Packets.(segments); ok {
			return &datagrams{out: out, to: c.addr}
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.streams[c]; st != nil {
		return st
	}
	return nil // it has gone
}

// datagrams is the way to a client by UDP. What the network has no room for is
// lost, as on any link.
type datagrams struct {
	// set at construction
	out segments
	to  netip.AddrPort
	// atomic
	sent atomic.Uint64 // indications
}

// trainSize is how much is sent at once: as much as one system call takes of
// datagrams that an Ethernet carries.
const trainSize = 40 << 10

// trains keeps buffers that are not in use.
var trains = sync.Pool{New: func() any { return new([trainSize]byte) }}

func (d *datagrams) burst(h header, b []byte, size int) bool {
	buf := trains.Get().(*[trainSize]byte)
	defer trains.Put(buf)
	out, each := buf[:0], h.frameSize(size, false)
	for len(b) > 0 {
		n := min(size, len(b))
		out = h.append(out, b[:n], false, d.sent.Add(1))
		if b = b[n:]; len(b) == 0 || len(out)+each > trainSize {
			_ = d.out.SendSegments(out, each, d.to)
			out = buf[:0]
		}
	}
	return true
}
