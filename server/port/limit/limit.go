// Package limit says how often a network may ask for something, in memory
// that does not grow with the number of networks: a flood from forged
// addresses costs nothing but its packets. It also says how many connections
// of a listener may be open at once. It knows addresses and time; what is
// asked for, and what happens to the refused, is its caller's business.
package limit

import (
	"hash/maphash"
	"net/netip"
	"sync/atomic"
	"time"
)

// cells is the width of one row, a power of two. Two rows of 8192 cells are
// 128 KiB; a network is refused wrongly only when busy networks share its
// cell in both rows.
const cells = 1 << 13

// Sources limits events per source network and in all. Every cell holds the
// time at which its bucket would be empty again (GCRA), so nothing has to be
// cleaned up. All methods may be called from anywhere and allocate nothing.
type Sources struct {
	// set at construction
	seeds  [2]maphash.Seed
	every  int64 // ns between two events of one network
	slack  int64 // ns a network may run ahead: its burst
	gEvery int64
	gSlack int64
	start  time.Time
	// atomic
	global atomic.Int64
	rows   [2][cells]atomic.Int64
}

// NewSources allows perSource events a second for each network and total
// events a second for all of them together. Each may come as a burst of one
// second's worth.
func NewSources(perSource, total int) *Sources {
	s := &Sources{every: int64(time.Second) / int64(perSource), gEvery: int64(time.Second) / int64(total), start: time.Now()}
	s.slack, s.gSlack = s.every*int64(perSource-1), s.gEvery*int64(total-1)
	for i := range s.seeds {
		s.seeds[i] = maphash.MakeSeed()
	}
	return s
}

// Allow counts one event of from's network and says whether it is within the
// limits. Networks are single IPv4 addresses and IPv6 /64 prefixes.
func (s *Sources) Allow(from netip.Addr) bool {
	now := int64(time.Since(s.start))
	key := Network(from)
	ok := false
	for i := range s.rows {
		cell := &s.rows[i][maphash.Comparable(s.seeds[i], key)&(cells-1)]
		if take(cell, now, s.every, s.slack) {
			ok = true
		}
	}
	return ok && take(&s.global, now, s.gEvery, s.gSlack)
}

// take takes one event from a bucket.
func take(cell *atomic.Int64, now, every, slack int64) bool {
	for {
		old := cell.Load()
		at := max(old, now)
		if at-now > slack {
			return false
		}
		if cell.CompareAndSwap(old, at+every) {
			return true
		}
	}
}

// Network is the part of an address that one party owns: an IPv4 address, or
// the /64 prefix of an IPv6 address, of which a single host may use any. IPv4
// in IPv6 counts as IPv4.
func Network(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil { // the zero Addr
		return a
	}
	return p.Addr()
}
