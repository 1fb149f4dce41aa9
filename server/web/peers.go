package web

import (
	"net/netip"
	"sync"

	"github.com/gorilla/websocket"
)

// maxPeersPerAddr bounds the WebSockets of one address. Loopback has no bound:
// it may be a proxy, behind which all clients look alike.
const maxPeersPerAddr = 256

// peers knows the open WebSockets.
type peers struct {
	// guarded by mu
	mu       sync.Mutex
	open     map[*Peer]struct{}
	byAddr   map[netip.Addr]int
	stopping bool

	all sync.WaitGroup // one for each open peer
}

func newPeers() *peers {
	return &peers{open: make(map[*Peer]struct{}), byAddr: make(map[netip.Addr]int)}
}

// full tells whether an address has as many peers as it may.
func (ps *peers) full(a netip.Addr) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return !a.IsLoopback() && ps.byAddr[a] >= maxPeersPerAddr
}

// add returns false when the server is stopping.
func (ps *peers) add(p *Peer) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.stopping {
		return false
	}
	ps.open[p] = struct{}{}
	ps.byAddr[p.addr.Addr()]++
	ps.all.Add(1)
	return true
}

func (ps *peers) remove(p *Peer) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.open, p)
	a := p.addr.Addr()
	if ps.byAddr[a]--; ps.byAddr[a] == 0 {
		delete(ps.byAddr, a)
	}
	ps.all.Done()
}

func (ps *peers) count() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.open)
}

// stop lets no more peers in and begins the end of those there are.
func (ps *peers) stop() {
	ps.mu.Lock()
	ps.stopping = true
	open := make([]*Peer, 0, len(ps.open))
	for p := range ps.open {
		open = append(open, p)
	}
	ps.mu.Unlock()
	for _, p := range open {
		p.close(websocket.CloseServiceRestart, "the server restarts")
	}
}

// wait returns when no peer is left.
func (ps *peers) wait() { ps.all.Wait() }
