package port

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// maxWaiting is how many clients that have proved nothing have a place in a
// table of answers; the oldest goes first.
const maxWaiting = 4096

// answers are the clients that asked an address of ours which is not the one
// the kernel would answer them from: they take an answer only from where they
// asked. On most machines there are none. The table belongs to the port and not
// to a socket, for an answer may leave by any of them.
type answers struct {
	// atomic
	count atomic.Int32 // of clients
	// guarded by mu
	mu      sync.RWMutex
	clients map[netip.AddrPort]answer
	waiting []netip.AddrPort // those not learned, and some that have gone; a ring
	next    int              // the oldest of a full ring
}

// answer is where to answer one client from; the kernel's choice is not valid.
type answer struct {
	asked     netip.Addr // which it asked last: STUN leaves from there
	chosen    netip.Addr // which it nominated: its media leave from there
	nominated bool       // the last check says that it nominates
	learned   bool       // a session has it
}

func newAnswers() *answers { return &answers{clients: map[netip.AddrPort]answer{}} }

// none says that the kernel picks the right address for everybody.
func (t *answers) none() bool { return t.count.Load() == 0 }

// to returns the address to send to a client from; not valid is the kernel's
// choice.
func (t *answers) to(client netip.AddrPort, stun bool) netip.Addr {
	if t.none() {
		return netip.Addr{}
	}
	t.mu.RLock()
	a := t.clients[client]
	t.mu.RUnlock()
	if stun {
		return a.asked
	}
	return a.chosen
}

// note says which address a client has asked; not valid is the kernel's choice.
// A client that a session knows without a place here keeps the kernel's choice
// for its media until it nominates another.
func (t *answers) note(client netip.AddrPort, at netip.Addr, nominated, known bool) {
	if t.none() && !at.IsValid() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.clients[client]
	switch {
	case !ok && !at.IsValid():
		return
	case !ok:
		t.wait(client)
		if !known {
			a.chosen = at
		}
	}
	a.asked, a.nominated = at, nominated
	t.set(client, a)
}

// set keeps what is known of a client, or nothing when the kernel picks right.
func (t *answers) set(client netip.AddrPort, a answer) {
	if a.asked.IsValid() || a.chosen.IsValid() {
		t.clients[client] = a
	} else {
		delete(t.clients, client)
	}
	t.count.Store(int32(len(t.clients)))
}

// wait gives a client a place among those not learned, maybe another's.
func (t *answers) wait(client netip.AddrPort) {
	if len(t.waiting) < maxWaiting {
		t.waiting = append(t.waiting, client)
		return
	}
	oldest := t.waiting[t.next]
	if !t.clients[oldest].learned {
		delete(t.clients, oldest)
	}
	t.waiting[t.next] = client
	t.next = (t.next + 1) % maxWaiting
}

// learn says that the last check of a client was authentic.
func (t *answers) learn(client netip.AddrPort) {
	if t.none() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	a, ok := t.clients[client]
	if !ok {
		return
	}
	a.learned = true
	if a.nominated {
		a.chosen = a.asked
	}
	t.set(client, a)
}

// forget removes a client.
func (t *answers) forget(client netip.AddrPort) {
	if t.none() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.clients, client)
	t.count.Store(int32(len(t.clients)))
}

// answerable says whether the kernel may be told where to answer from. Between
// link-local addresses the interface decides.
func answerable(from netip.AddrPort, at netip.Addr) bool {
	return at.IsValid() && from.Addr().Zone() == "" && !at.IsLinkLocalUnicast()
}
