package udp

import (
	"net/netip"
	"time"
)

// How many of the kernel's choices are remembered, and for how long: routes
// change.
const (
	maxRoutes = 4096
	routesFor = 10 * time.Second
)

// Routes remembers from which addresses of ours the kernel sends: asking it
// costs a few system calls. It belongs to one goroutine.
type Routes struct {
	chosen map[netip.Addr]netip.Addr
	until  time.Time
}

// NewRoutes returns one that knows nothing yet.
func NewRoutes() *Routes { return &Routes{chosen: map[netip.Addr]netip.Addr{}} }

// Other returns at, the address of ours that a remote one has asked, when the
// kernel would answer from another one, else none. It is for networks that are
// routed, not for link-local addresses.
func (r *Routes) Other(remote, at netip.Addr) netip.Addr {
	if now := time.Now(); now.After(r.until) || len(r.chosen) >= maxRoutes {
		clear(r.chosen)
		r.until = now.Add(routesFor)
	}
	source, ok := r.chosen[remote]
	if !ok {
		source = sourceFor(remote)
		r.chosen[remote] = source
	}
	if source == at {
		return netip.Addr{}
	}
	return at
}
