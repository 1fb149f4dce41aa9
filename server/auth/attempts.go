package auth

import (
	"net/netip"
	"sync"
	"time"
)

// How many failures a minute are answered, and how many names or addresses are
// remembered at once.
const (
	accountAttempts = 5
	addressAttempts = 20
	attemptWindow   = time.Minute
	attemptsKept    = 20_000
)

// attempts counts failures by key in windows of a minute.
type attempts struct {
	// set at construction
	most int

	// guarded by mu
	mu      sync.Mutex
	windows map[string]window
}

type window struct {
	ends  time.Time
	count int
}

func newAttempts(most int) *attempts {
	return &attempts{most: most, windows: make(map[string]window)}
}

// take counts one attempt and tells whether it may be made. It is counted
// before its outcome is known, so that many at once cannot slip through.
func (a *attempts) take(key string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.windows[key]
	if !ok || !now.Before(w.ends) {
		a.makeRoom(now)
		w = window{ends: now.Add(attemptWindow)}
	}
	if w.count >= a.most {
		return false
	}
	w.count++
	a.windows[key] = w
	return true
}

// giveBack takes back an attempt that succeeded.
func (a *attempts) giveBack(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w, ok := a.windows[key]
	if !ok {
		return
	}
	if w.count--; w.count <= 0 {
		delete(a.windows, key)
		return
	}
	a.windows[key] = w
}

// makeRoom keeps the memory bounded whatever names and addresses come. When
// everything is fresh some entries go: to profit from that an attacker needs
// thousands of addresses a minute, and then no count by address holds him.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.windows) < attemptsKept {
		return
	}
	for k, w := range a.windows {
		if !now.Before(w.ends) {
			delete(a.windows, k)
		}
	}
	for k := range a.windows {
		if len(a.windows) < attemptsKept*9/10 {
			return
		}
		delete(a.windows, k)
	}
}

// addressKey takes an IPv6 address by its /64, which one person has whole.
func addressKey(a netip.Addr) string {
	a = a.Unmap()
	if a.Is6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return a.String()
}
