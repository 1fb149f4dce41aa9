package port

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"
)

// refreshEvery is how often the addresses are looked up again: a name may have
// moved (dynamic DNS), an interface may have got another address.
const refreshEvery = time.Minute

// maxPeers bounds the addresses that the relay reaches.
const maxPeers = 32

// addresses are those of the port, as clients see them.
type addresses struct {
	// set at construction
	local netip.AddrPort
	hosts []string
	every time.Duration
	log   *slog.Logger
	// owned by run
	failed bool // the last look-up has
	// atomic
	announced atomic.Pointer[[]netip.AddrPort]
	peers     atomic.Pointer[[]netip.AddrPort] // announced now or before, the newest first
}

func newAddresses(local netip.AddrPort, hosts []string, log *slog.Logger) (*addresses, error) {
	a := &addresses{local: local, hosts: hosts, every: refreshEvery, log: log}
	found, err := announce(context.Background(), local, hosts)
	if err != nil {
		return nil, err
	}
	a.set(found)
	return a, nil
}

// set announces other addresses. Those before stay in reach of the relay, for
// the sessions that were told of them.
func (a *addresses) set(found []netip.AddrPort) {
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

// run looks the addresses up again now and then, until ctx ends.
func (a *addresses) run(ctx context.Context) {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			a.refresh(ctx)
		}
	}
}

// refresh looks the addresses up. What cannot be found keeps its old ones.
func (a *addresses) refresh(ctx context.Context) {
	found, err := announce(ctx, a.local, a.hosts)
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
		a.log.Info("announced addresses have changed", "announced", found)
	}
	a.failed = false
}

func sameSet(a, b []netip.AddrPort) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(x netip.AddrPort) bool { return !slices.Contains(b, x) })
}

// onlyPrivate says whether the port serves its own network only, as far as it
// knows.
func (a *addresses) onlyPrivate() bool {
	return !slices.ContainsFunc(*a.announced.Load(), func(at netip.AddrPort) bool { return !isPrivate(at.Addr()) })
}

// Announced lists the addresses for ICE candidates, the best of each family
// first. They may change while the port runs.
func (p *Port) Announced() []netip.AddrPort { return slices.Clone(*p.addresses.announced.Load()) }

// Peers lists the addresses that the relay reaches, and nothing else: those
// announced now or before. The list is shared and must not be changed.
func (p *Port) Peers() []netip.AddrPort { return *p.addresses.peers.Load() }

// isPeer says whether an address is one of ours.
func (p *Port) isPeer(a netip.AddrPort) bool { return slices.Contains(p.Peers(), a) }
