package rtsp

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/heliograph/heliograph/server/port/limit"
)

// How many sessions may be open. One by UDP outlives its connection by a minute,
// so the bounds on connections do not hold them.
const (
	maxSessions     = 512
	maxSessionsNear = 128 // of one network; loopback has no such bound
	keptFree        = 64  // of all, for publishers
)

// seats are the sessions that are open.
type seats struct {
	// guarded by mu
	mu   sync.Mutex
	near map[netip.Addr]int

	// atomic
	publishers atomic.Int32
	players    atomic.Int32
}

// take takes a seat for a player or a publisher, or returns ErrTooMany.
func (s *seats) take(addr netip.Addr, plays bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	network, most := limit.Network(addr), int32(maxSessions)
	if plays {
		most -= keptFree
	}
	if s.publishers.Load()+s.players.Load() >= most || s.near[network] >= maxSessionsNear && !addr.IsLoopback() {
		return ErrTooMany
	}
	s.near[network]++
	s.count(plays, 1)
	return nil
}

// leave gives a seat back.
func (s *seats) leave(addr netip.Addr, plays bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	network := limit.Network(addr)
	if s.near[network]--; s.near[network] == 0 {
		delete(s.near, network)
	}
	s.count(plays, -1)
}

func (s *seats) count(plays bool, n int32) {
	if plays {
		s.players.Add(n)
	} else {
		s.publishers.Add(n)
	}
}
