package handshake

import (
	"net/netip"
	"slices"
	"time"

	"github.com/heliograph/heliograph/server/port/limit"
)

// network returns under what a client's handshakes are counted: its network with
// port 0, or the address that the relay has given it, which it keeps for some
// minutes and of which the relay gives few to one network. Not limited is this
// machine.
func (d *Desk) network(from netip.AddrPort) netip.AddrPort {
	a := from.Addr().Unmap()
	switch {
	case a.IsLoopback():
		return netip.AddrPort{}
	case slices.Contains(d.own, a):
		return netip.AddrPortFrom(a, from.Port())
	}
	return netip.AddrPortFrom(limit.Network(a), 0)
}

// enter has a handshake wait for its start; false when there is no room.
func (d *Desk) enter(a *attempt) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	places := maxWaiting
	if a.network.IsValid() && d.sites[site(a.network)] == 0 {
		places += maxReserved
	}
	if len(d.waiting) >= places || d.crowded(a.network) {
		d.count.refused.Inc()
		return false
	}
	d.waiting = append(d.waiting, a)
	if a.network.IsValid() {
		d.near[a.network]++
		d.sites[site(a.network)]++
	}
	d.rouse()
	return true
}

// crowded tells whether a network has had its share; mu is held.
func (d *Desk) crowded(network netip.AddrPort) bool {
	return network.IsValid() && (d.near[network] == maxHandshakesNear || d.sites[site(network)] == maxHandshakesSite)
}

// site is what one party may have of networks: up to a /48 of IPv6 (RFC 6177),
// with which it could take every place, and a single address of IPv4 or of the
// relay.
func site(network netip.AddrPort) netip.AddrPort {
	if network.Port() != 0 {
		return network
	}
	a := network.Addr()
	p, _ := a.Prefix(min(48, a.BitLen())) // fails for none of these lengths
	return netip.AddrPortFrom(p.Addr(), 0)
}

func (d *Desk) rouse() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// next takes from those that wait the one to be started, nil for none. The first
// of a site that has none under way goes before the others.
func (d *Desk) next() *attempt {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.waiting) == 0 {
		return nil
	}
	i := slices.IndexFunc(d.waiting, func(a *attempt) bool { return d.shares[site(a.network)] == 0 })
	if len(d.running) == maxHandshakes && (i < 0 || !d.breakOff()) {
		return nil
	}
	a := d.waiting[max(i, 0)]
	d.waiting = slices.Delete(d.waiting, max(i, 0), max(i, 0)+1)
	d.running = append(d.running, a)
	d.shares[site(a.network)]++
	a.began = time.Now()
	return a
}

// breakOff ends the oldest handshake of the site that has most, if it has had
// its time; false when everybody has one. mu is held.
func (d *Desk) breakOff() bool {
	if len(d.shares) == len(d.running) {
		return false
	}
	var most netip.AddrPort
	for s, n := range d.shares {
		if n > d.shares[most] {
			most = s
		}
	}
	a := d.running[slices.IndexFunc(d.running, func(a *attempt) bool { return site(a.network) == most })]
	if time.Since(a.began) < soonDone {
		return false
	}
	d.stop(a)
	a.brokenOff.Store(true)
	_ = a.pipe.Close() // its session takes the client's next hello
	return true
}

// stop takes a handshake from those that run, unless that was done before; mu is
// held.
func (d *Desk) stop(a *attempt) {
	i := slices.Index(d.running, a)
	if i < 0 {
		return
	}
	d.running = slices.Delete(d.running, i, i+1)
	of := site(a.network)
	if d.shares[of]--; d.shares[of] == 0 {
		delete(d.shares, of)
	}
	d.forget(a)
}

func (d *Desk) ended(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stop(a)
	d.rouse()
}

// leave takes a handshake from the queue, if it still waits there.
func (d *Desk) leave(a *attempt) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.waiting, a); i >= 0 {
		d.waiting = slices.Delete(d.waiting, i, i+1)
		d.forget(a)
	}
}

// forget gives a network its place back; mu is held.
func (d *Desk) forget(a *attempt) {
	if !a.network.IsValid() {
		return
	}
	if d.near[a.network]--; d.near[a.network] == 0 {
		delete(d.near, a.network)
	}
	of := site(a.network)
	if d.sites[of]--; d.sites[of] == 0 {
		delete(d.sites, of)
	}
}
