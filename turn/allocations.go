package turn

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Quotas of allocations. A browser page makes two, one for each component
// it might use, and again two while it changes networks.
const (
	maxPerCredential = 4
	maxPerNetwork    = 16
	maxAllocations   = 2048
)

// client is one end of TURN: where it sends from, and over what.
type client struct {
	addr netip.AddrPort
	tcp  bool
}

// clientOf returns the client of an address as the library shows it.
func clientOf(a net.Addr) client {
	switch a := a.(type) {
	case *net.UDPAddr:
		return client{addr: unmap(a.AddrPort())}
	case *net.TCPAddr:
		return client{addr: unmap(a.AddrPort()), tcp: true}
	}
	return client{}
}

// allocation is one relayed address, or the promise of one.
type allocation struct {
	username string
	conn     *relayConn // nil until the library has made it
}

// allocations counts the relayed addresses by who has them.
type allocations struct {
	// guarded by mu
	mu          sync.Mutex
	all         map[client]*allocation
	credentials map[string]int
	networks    map[netip.Addr]int
	unclaimed   map[netip.AddrPort]*relayConn // made, and not yet told who for
	ended       bool                          // nothing is made or changed any more
	live        sync.WaitGroup
}

func newAllocations() *allocations {
	return &allocations{
		all: map[client]*allocation{}, credentials: map[string]int{},
		networks: map[netip.Addr]int{}, unclaimed: map[netip.AddrPort]*relayConn{},
	}
}

// reserve takes a place for an allocation that is about to be made, and says
// whether there is one.
func (t *allocations) reserve(c client, username string) bool {
	network := limit.Network(c.addr.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended || t.all[c] != nil || len(t.all) >= maxAllocations ||
		t.credentials[username] >= maxPerCredential || t.networks[network] >= maxPerNetwork {
		return false
	}
	t.all[c] = &allocation{username: username}
	t.credentials[username]++
	t.networks[network]++
	t.live.Add(1)
	return true
}

// made keeps the relayed address until claim says whose it is.
func (t *allocations) made(addr netip.AddrPort, conn *relayConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unclaimed[addr] = conn
	if t.ended {
		conn.life.end()
	}
}

// claim gives a relayed address to the client it was made for, and returns it.
func (t *allocations) claim(c client, addr netip.AddrPort) *relayConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn := t.unclaimed[addr]
	delete(t.unclaimed, addr)
	if a := t.all[c]; a != nil {
		a.conn = conn
	}
	return conn
}

// relayed returns the relayed address of a client, or nil.
func (t *allocations) relayed(c client) *relayConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.all[c]; a != nil {
		return a.conn
	}
	return nil
}

// abandon gives back a place of which no allocation came.
func (t *allocations) abandon(c client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.all[c]; a != nil && a.conn == nil {
		t.drop(c, a)
	}
}

// remove forgets an allocation that has ended.
func (t *allocations) remove(c client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if a := t.all[c]; a != nil {
		t.drop(c, a)
	}
}

// drop takes an entry out of every table; mu is held.
func (t *allocations) drop(c client, a *allocation) {
	delete(t.all, c)
	network := limit.Network(c.addr.Addr())
	if t.credentials[a.username]--; t.credentials[a.username] == 0 {
		delete(t.credentials, a.username)
	}
	if t.networks[network]--; t.networks[network] == 0 {
		delete(t.networks, network)
	}
	t.live.Done()
}

// owner returns the credential of a client's allocation, if it has one.
func (t *allocations) owner(c client) (username string, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.all[c]
	if a == nil || a.conn == nil {
		return "", false
	}
	return a.username, true
}

// of lists the clients of a credential, and their relayed addresses.
func (t *allocations) of(username string) map[client]*relayConn {
	t.mu.Lock()
	defer t.mu.Unlock()
	conns := map[client]*relayConn{}
	for c, a := range t.all {
		if a.username == username && a.conn != nil {
			conns[c] = a.conn
		}
	}
	return conns
}

// end has no allocation changed any more, nor made.
func (t *allocations) end() {
	t.mu.Lock()
	t.ended = true
	conns := slices.Collect(maps.Values(t.unclaimed))
	for _, a := range t.all {
		if a.conn != nil {
			conns = append(conns, a.conn)
		}
	}
	t.mu.Unlock()
	for _, c := range conns {
		c.life.end()
	}
}

func (t *allocations) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}

// wait waits until no allocation is left.
func (t *allocations) wait() { t.live.Wait() }
