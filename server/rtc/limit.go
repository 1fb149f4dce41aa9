package rtc

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the addresses that an addressLimit remembers.
const maxBuckets = 4096

// addressLimit is a token bucket for each address. An IPv6 client is known by
// its /64. Loopback is not limited: it is the operator's own machine, or a
// proxy behind which everybody comes from there.
type addressLimit struct {
	// set at construction
	every rate.Limit
	burst int

	// guarded by mu
	mu      sync.Mutex
	buckets map[netip.Addr]*rate.Limiter
}

func newAddressLimit(perSecond float64, burst int) *addressLimit {
	return &addressLimit{every: rate.Limit(perSecond), burst: burst, buckets: map[netip.Addr]*rate.Limiter{}}
}

// allow takes one token at time now.
func (l *addressLimit) allow(a netip.Addr, now time.Time) bool {
	key, limited := limitKey(a)
	if !limited {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if len(l.buckets) >= maxBuckets {
			l.forgetFull(now)
		}
		b = rate.NewLimiter(l.every, l.burst)
		l.buckets[key] = b
	}
	return b.AllowN(now, 1)
}

// forgetFull drops the buckets that say nothing, and all when none is such:
// a flood from everywhere must not grow the memory. mu is held.
func (l *addressLimit) forgetFull(now time.Time) {
	for k, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.burst) {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) >= maxBuckets {
		clear(l.buckets)
	}
}

// limitKey returns under which address a client is counted, and whether at all.
func limitKey(a netip.Addr) (netip.Addr, bool) {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return a, false
	}
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr(), true
	}
	return a, true
}
