package address

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// refreshEvery is how often the addresses are looked up again: a name may have
// moved (dynamic DNS), an interface may have got another address.
const refreshEvery = time.Minute

// maxPeers bounds the addresses that the relay reaches.
const maxPeers = 32

// Own are the addresses of the port, as clients see them.
type Own struct {
	// set at construction
	local   netip.AddrPort
	hosts   []Host
	mapping *mapping // nil where no STUN server is asked
	every   time.Duration
	log     *slog.Logger
	// owned by Run
	failed bool             // the last look-up has
	told   []netip.AddrPort // what the log says of announced
	moves  rate.Sometimes
	// atomic
	announced atomic.Pointer[[]netip.AddrPort]
	peers     atomic.Pointer[[]netip.AddrPort] // announced now or before, the newest first
}

// Config is what Find needs.
type Config struct {
	Local netip.AddrPort // that the port is bound to; it may be a wildcard
	Hosts []Host         // to announce; empty: found from the interfaces, and from what STUN says
	STUN  Host           // server to ask where the world sees the port; zero for none
	Log   *slog.Logger
}

// Find looks the addresses up. Conn is the UDP socket of the port, which nobody
// reads yet: the STUN server is asked by it, for 3 s at most, and one that does
// not answer is no error.
func Find(cfg Config, conn *net.UDPConn) (*Own, error) {
	m := newMapping(cfg.STUN, cfg.Log)
	m.askAlone(conn)
	return find(cfg, m)
}

// find is Find with what the mapping has found.
func find(cfg Config, m *mapping) (*Own, error) {
	a := &Own{local: cfg.Local, hosts: cfg.Hosts, mapping: m, every: refreshEvery, log: cfg.Log, moves: rate.Sometimes{Interval: tellEvery}}
	if m != nil {
		a.every = mappingEvery
	}
	found, err := a.lookUp(context.Background())
	if err != nil {
		return nil, err
	}
	a.set(found)
	a.told = found
	return a, nil
}

// lookUp finds what is to be announced now.
func (a *Own) lookUp(ctx context.Context) ([]netip.AddrPort, error) {
	seen, _ := a.mapping.found()
	return announce(ctx, a.local, a.hosts, addressesOf(seen))
}

// set announces other addresses. Those before stay in reach of the relay, for
// the sessions that were told of them.
func (a *Own) set(found []netip.AddrPort) {
	peers := slices.Clone(found)
	if old := a.peers.Load(); old != nil {
		for _, p := range *old {
			if !slices.Contains(peers, p) && len(peers) < maxPeers {
				peers = append(peers, p)
			}
		}
	}
	a.peers.Store(&peers) // first, so that all that is announced can be reached
	a.announced.Store(&found)
}

// Run looks the addresses up again now and then, until ctx ends.
func (a *Own) Run(ctx context.Context, send SendFunc) {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.Refresh(ctx, send)
		}
	}
}

// Refresh asks the STUN server again, and looks the addresses up. What cannot be
// found keeps its old ones. Run does it by itself; no two may at once.
func (a *Own) Refresh(ctx context.Context, send SendFunc) {
	a.mapping.refresh(ctx, send)
	found, err := a.lookUp(ctx)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		if !a.failed {
			a.log.Warn("the public hosts cannot be looked up; the addresses found before stay announced", "err", err)
		}
		a.failed = true
		return
	case !sameSet(found, *a.announced.Load()): // the order of a name's addresses changes each time
		a.set(found)
	}
	a.failed = false
	if !sameSet(found, a.told) {
		a.moves.Do(func() {
			a.log.Info("announced addresses have changed", "announced", found)
			a.told = found
		})
	}
}

func sameSet[T comparable](a, b []T) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x T) bool { return !slices.Contains(b, x) })
}

// Announced lists the addresses for ICE candidates, the best of each family
// first. They may change while Run runs.
func (a *Own) Announced() []netip.AddrPort { return slices.Clone(*a.announced.Load()) }

// Peers lists the addresses announced now or before, the newest first. The list
// is shared and must not be changed.
func (a *Own) Peers() []netip.AddrPort { return *a.peers.Load() }

// Take says whether a datagram answers a question to the STUN server, and keeps
// the answer. It must be shown those that may.
func (a *Own) Take(b []byte, from netip.AddrPort) bool { return a.mapping.take(b, from) }
