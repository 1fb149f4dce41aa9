package port

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
)

// maxAddrs is how many addresses one session may have proved: a client that
// roams leaves old ones behind, the oldest is forgotten first.
const maxAddrs = 16

// Receiver takes all datagrams of one ICE session: STUN, DTLS, SRTP. b is
// valid only during the call, which runs on a reader's goroutine and must not
// block. Datagrams of one address come in order and one by one; those of two
// addresses of a session, or of the relay, may come at the same time.
type Receiver interface {
	Receive(b []byte, from netip.AddrPort)
}

// session is one registered ufrag.
type session struct {
	ufrag    string
	receiver Receiver
	addrs    []netip.AddrPort // guarded by the table's mu; oldest first
}

// sessions finds the session of a datagram.
type sessions struct {
	// set at construction
	answers *answers // where the clients are answered from
	// guarded by mu
	mu     sync.RWMutex
	ufrags map[string]*session
	// guard themselves; changed with mu held
	shards [addressShards]addressShard
}

// addressShards is how many parts the table of addresses has, so that the
// readers of many processors seldom want the same lock at the same time.
const addressShards = 64

// addressShard is a part of the table of addresses.
type addressShard struct {
	// guarded by mu
	mu    sync.RWMutex
	owner map[netip.AddrPort]*session

	_ [32]byte // the next one's lock is on another cache line
}

func newSessions() *sessions {
	t := &sessions{ufrags: map[string]*session{}, answers: newAnswers()}
	for i := range t.shards {
		t.shards[i].owner = map[netip.AddrPort]*session{}
	}
	return t
}

// shard returns the part of the table an address belongs to.
func (t *sessions) shard(a netip.AddrPort) *addressShard {
	b := a.Addr().As16()
	return &t.shards[(uint16(b[15])^uint16(b[13])^a.Port())%addressShards]
}

func (s *addressShard) set(a netip.AddrPort, owner *session) {
	s.mu.Lock()
	s.owner[a] = owner
	s.mu.Unlock()
}

func (s *addressShard) remove(a netip.AddrPort) {
	s.mu.Lock()
	delete(s.owner, a)
	s.mu.Unlock()
}

// Register makes r the Receiver of all datagrams of the session with this
// ufrag of ours. It fails with ErrUsed when the ufrag is registered.
func (p *Port) Register(ufrag string, r Receiver) error {
	t := p.sessions
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ufrags[ufrag] != nil {
		return fmt.Errorf("register session: %w", ErrUsed)
	}
	t.ufrags[ufrag] = &session{ufrag: ufrag, receiver: r}
	return nil
}

// Unregister forgets the ufrag and every address learned for it. A Receive
// that has begun may still be running when it returns.
func (p *Port) Unregister(ufrag string) { p.sessions.forget(ufrag) }

// Learn says that from has proved, by MESSAGE-INTEGRITY, that it belongs to
// the session: all its datagrams go there. An address moves to the session
// that proved it last.
func (p *Port) Learn(from netip.AddrPort, ufrag string) { p.sessions.learn(unmap(from), ufrag) }

func (t *sessions) forget(ufrag string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ufrags[ufrag]
	if s == nil {
		return
	}
	delete(t.ufrags, ufrag)
	for _, a := range s.addrs {
		t.drop(a)
	}
}

func (t *sessions) learn(from netip.AddrPort, ufrag string) {
	if known := t.byAddr(from); known != nil && known.ufrag == ufrag && t.answers.none() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.ufrags[ufrag]
	if s == nil {
		return
	}
	if old := t.byAddr(from); old == s {
		t.answers.learn(from)
		return
	} else if old != nil {
		old.addrs = slices.DeleteFunc(old.addrs, func(a netip.AddrPort) bool { return a == from })
	}
	if len(s.addrs) == maxAddrs {
		t.drop(s.addrs[0])
		s.addrs = slices.Delete(s.addrs, 0, 1)
	}
	s.addrs = append(s.addrs, from)
	t.shard(from).set(from, s)
	t.answers.learn(from)
}

// drop forgets an address.
func (t *sessions) drop(a netip.AddrPort) {
	t.shard(a).remove(a)
	t.answers.forget(a)
}

// byAddr finds the session that an address has proved, or nil.
func (t *sessions) byAddr(from netip.AddrPort) *session {
	part := t.shard(from)
	part.mu.RLock()
	s := part.owner[from]
	part.mu.RUnlock()
	return s
}

// byUfrag finds the session a check is for, or nil. The name in a check says
// more than its address: a browser may use one socket for a new session.
func (t *sessions) byUfrag(ufrag []byte) *session {
	t.mu.RLock()
	s := t.ufrags[string(ufrag)]
	t.mu.RUnlock()
	return s
}
