package lite

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"
)

// What a session may send to addresses that have proved nothing: a check of at
// most the size of the client's own, four times to each, a few addresses at once
// and a few checks a second of all together.
const (
	maxProofs   = 4
	proofTries  = 4
	proofWait   = 250 * time.Millisecond // for the first answer; each time twice as long
	proofsEvery = 200 * time.Millisecond // on average
	proofsBurst = 8
)

// lateAnswer is how long after an answer more of them are expected: all tries
// may have been answered.
const lateAnswer = proofWait << proofTries

// proof is a connectivity check of ours that waits for its answer (RFC 8445
// section 7.2). Agents that are lite need not check, but the full ones answer
// every check that is authentic. An answer shows that the client gets what is
// sent to the address, which no check of its own does: whoever has a session can
// forge where its checks come from.
type proof struct {
	to        netip.AddrPort
	ufrag     string // ours, of the generation in which the client checked
	integrity stun.MessageIntegrity
	id        [stun.TransactionIDSize]byte
	message   []byte
	tries     int
	again     *time.Timer
	answered  time.Time
}

// newProof makes the check that answers a client's own from the same address;
// client is its password there. Nil when there is none, because the client's names
// are too long.
func newProof(k Check, client string, to netip.AddrPort) *proof {
	p := &proof{to: to, ufrag: k.Ufrag, integrity: stun.NewShortTermIntegrity(client), id: stun.NewTransactionID()}
	var tieBreaker [8]byte
	_, _ = rand.Read(tieBreaker[:]) // never fails
	m, err := stun.Build(stun.NewTransactionIDSetter(p.id), stun.BindingRequest,
		stun.NewUsername(k.theirs+":"+k.Ufrag),
		stun.RawAttribute{Type: stun.AttrICEControlled, Value: tieBreaker[:]},
		stun.RawAttribute{Type: stun.AttrPriority, Value: binary.BigEndian.AppendUint32(nil, peerReflexive)},
		p.integrity, stun.Fingerprint)
	if err != nil {
		return nil
	}
	p.message = m.Raw
	return p
}

// peerReflexive is the priority of a candidate that is found by a check (RFC
// 8445 section 5.1.2.1), as it would be written for an address of ours.
const peerReflexive = 110<<24 | 0xffff<<8 | 255

// manyChecks is how many checks of the client are remembered: those of the last
// minute, once it is connected.
const manyChecks = 32

// recent remembers the client's last checks, and where each came from.
type recent struct {
	list []seenCheck
	next int
}

// seenCheck is a check as far as it is remembered: by random bytes of it.
type seenCheck struct {
	id   [8]byte
	from netip.AddrPort
}

// copied notes a check and tells whether it came from another address before. No
// client sends one from two, but whoever has overheard it can, without any
// password.
func (r *recent) copied(k Check, from netip.AddrPort) bool {
	c := seenCheck{[8]byte(k.message.TransactionID[:8]), from}
	switch i := slices.IndexFunc(r.list, func(old seenCheck) bool { return old.id == c.id }); {
	case i >= 0:
		return r.list[i].from != from
	case len(r.list) < manyChecks:
		r.list = append(r.list, c)
	default:
		r.list[r.next] = c
		r.next = (r.next + 1) % manyChecks
	}
	return false
}

// isAnswer tells a success response to a check from all other STUN messages.
func isAnswer(b []byte) bool {
	return len(b) >= 20 && binary.BigEndian.Uint16(b) == stun.BindingSuccess.Value()
}

// answeredBy tells whether b is the authentic answer, which must come from
// where the check went (RFC 8445 section 7.2.5.2.1).
func (p *proof) answeredBy(b []byte, from netip.AddrPort) bool {
	if from != p.to || string(b[8:20]) != string(p.id[:]) {
		return false // nearly all that is forged ends here, before it costs anything
	}
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	return m.Decode() == nil && p.integrity.Check(m) == nil
}

// demand has the client prove that it is at an address before anything is sent
// there. Some of the addresses at which that is asked for may be forged, so that
// all have their time, side by side; only when they are too many, the one that
// has had most gives way, to a nomination.
func (a *Agent) demand(k Check, from netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	underWay := func(p *proof) bool { return p.to == from && p.ufrag == k.Ufrag }
	switch {
	case a.state.closed || k.Ufrag != a.current.Ufrag && k.Ufrag != a.next.Ufrag:
		return
	case slices.ContainsFunc(a.proofs, underWay), len(a.proofs) == maxProofs && !k.Nominated:
		return
	}
	p := newProof(k, a.password(k.theirs), from)
	if p == nil {
		return
	}
	a.drop(func(old *proof) bool { return old.to == from })
	if len(a.proofs) == maxProofs {
		oldest := a.proofs[0]
		a.drop(func(old *proof) bool { return old == oldest })
	}
	a.proofs = append(a.proofs, p)
	a.sendProof(p)
}

// password returns the client's that goes with a name of its, the newest when it
// gave none by that name; mu is held.
func (a *Agent) password(theirs string) string {
	for _, c := range a.clients {
		if c.Ufrag == theirs {
			return c.Password
		}
	}
	return a.clients[0].Password
}

// sendProof sends a check of ours, again and again; mu is held.
func (a *Agent) sendProof(p *proof) {
	if a.budget.Allow() {
		_ = a.port.Send(p.message, p.to) // like one that got lost
	}
	wait := proofWait << p.tries
	p.tries++
	p.again = time.AfterFunc(wait, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case !slices.Contains(a.proofs, p):
		case p.tries == proofTries: // the client's next check begins anew
			a.drop(func(old *proof) bool { return old == p })
		default:
			a.sendProof(p)
		}
	})
}

// drop forgets those of our checks that are under way; mu is held.
func (a *Agent) drop(which func(*proof) bool) {
	a.proofs = slices.DeleteFunc(a.proofs, func(p *proof) bool {
		if !which(p) {
			return false
		}
		p.again.Stop()
		return true
	})
}

// dropAll forgets all of them; mu is held.
func (a *Agent) dropAll() { a.drop(func(*proof) bool { return true }) }

// proven takes the answer to a check of ours: now the client is where it went.
func (a *Agent) proven(b []byte, from netip.AddrPort) Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.closed {
		return Forged
	}
	i := slices.IndexFunc(a.proofs, func(p *proof) bool { return p.answeredBy(b, from) })
	if i < 0 {
		if p := a.proved; p != nil && a.at == from && time.Since(p.answered) < lateAnswer && p.answeredBy(b, from) {
			return Here
		}
		return Forged
	}
	p := a.proofs[i]
	a.move(from, p.ufrag, true)
	p.answered, a.proved = time.Now(), p
	return Here
}
