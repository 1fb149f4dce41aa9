package lite

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// What a session may send to addresses that have proved nothing: a check of at
// most the size of the client's own, four times to each, and a few a second of
// all together.
const (
	proofTries  = 4
	proofWait   = 250 * time.Millisecond // for the first answer; each time twice as long
	proofsEvery = 200 * time.Millisecond // on average
	proofsBurst = 8                      // a client may have as many addresses at once
)

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
}

// newProof makes the check that answers a client's own from the same address;
// nil when there is none, because the client's names are too long.
func newProof(k Check, g generation, to netip.AddrPort) *proof {
	p := &proof{to: to, ufrag: g.Ufrag, integrity: stun.NewShortTermIntegrity(g.client), id: stun.NewTransactionID()}
	var tieBreaker [8]byte
	_, _ = rand.Read(tieBreaker[:]) // never fails
	m, err := stun.Build(stun.NewTransactionIDSetter(p.id), stun.BindingRequest,
		stun.NewUsername(k.theirs+":"+g.Ufrag),
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
// there.
func (a *Agent) demand(k Check, g generation, from netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch p := a.proof; {
	case a.state.closed || g.Ufrag != a.current.Ufrag && g.Ufrag != a.next.Ufrag:
		return
	case p == nil:
	case p.to == from && p.ufrag == g.Ufrag, !k.Nominated: // it is under way
		return
	}
	a.dropProof()
	a.proof = newProof(k, g, from)
	a.sendProof()
}

// sendProof sends our check, again and again; mu is held.
func (a *Agent) sendProof() {
	p := a.proof
	if p == nil {
		return
	}
	if a.proofs.Allow() {
		_ = a.port.Send(p.message, p.to) // like one that got lost
	}
	wait := proofWait << p.tries
	p.tries++
	p.again = time.AfterFunc(wait, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case a.proof != p:
		case p.tries == proofTries:
			a.proof = nil // the client's next check begins anew
		default:
			a.sendProof()
		}
	})
}

// dropProof forgets our check, if one is under way; mu is held.
func (a *Agent) dropProof() {
	if a.proof != nil {
		a.proof.again.Stop()
		a.proof = nil
	}
}

// proven takes the answer to our check: now the client is where it went.
func (a *Agent) proven(b []byte, from netip.AddrPort) Finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.closed || a.proof == nil || !a.proof.answeredBy(b, from) {
		return Forged
	}
	a.move(from, a.proof.ufrag, true)
	return Here
}
