package lite

import (
	"errors"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/heliograph/heliograph/server/port"
)

// quietAddress is how long an address may be without checks before another
// one that was not nominated takes its place.
const quietAddress = 3 * time.Second

// How long after the client was last heard something may be sent to it (RFC
// 7675 section 5.1), and how long its session waits for it to come back.
const (
	Consent  = 30 * time.Second
	Patience = 60 * time.Second
)

// ErrClosed says that the session of an agent has ended.
var ErrClosed = errors.New("the session has ended")

// Owner is the session that an agent belongs to.
type Owner interface {
	port.Receiver
	// Moved tells where to send from now on; the zero address means nowhere. It
	// must not block and must not call the agent.
	Moved(to netip.AddrPort)
}

// Finding is what a STUN message has shown.
type Finding uint8

// The findings.
const (
	Forged    Finding = iota // nothing: who sent it does not know the password
	Elsewhere                // the client may be at another address than where is sent
	Here                     // the client is where is sent
)

// Agent is the ICE agent of one session: it answers checks, learns from them
// where the client is, and goes over to new credentials when ICE is restarted.
//
// Until DTLS has been settled, what is sent, which is little, goes to wherever a
// check with the password came from. DTLS shows that the client is there if that
// was one address from the first to the last. Any other address the client has to
// prove by its answer to a check of ours, before anything but STUN is sent there:
// so nobody who can forge addresses has a stream sent to a stranger.
type Agent struct {
	// set at construction
	port   *port.Port
	owner  Owner
	budget *rate.Limiter // of checks of ours

	// guarded by mu
	mu      sync.Mutex
	current Credentials
	next    Credentials   // of a restart that the client has not gone over to; zero for none
	clients []Credentials // of the client, the newest first
	at      netip.AddrPort
	checked time.Time // the last check from at
	recent  recent
	proofs  []*proof // that are waited for, each for another address, the oldest first
	proved  *proof   // the last that was answered; nil for none
	state   state
}

// state is what else an agent knows.
type state struct {
	settled bool // DTLS is done
	sure    bool // the client is at its address, or DTLS will have shown it
	lapsed  bool // nothing may be sent there for now
	closed  bool
}

// maxClients is how many credentials of the client are remembered. After a
// restart Chromium tries its older ports too, which have still the older ones.
const maxClients = 4

// NewAgent returns an agent with its first credentials. client are those that
// the client gave (ice-ufrag and ice-pwd).
func NewAgent(p *port.Port, owner Owner, client Credentials) (*Agent, Credentials) {
	c := NewCredentials()
	return &Agent{
		port: p, owner: owner, budget: rate.NewLimiter(rate.Every(proofsEvery), proofsBurst), current: c, clients: []Credentials{client},
	}, c
}

// Open registers the owner at the port until Close: it may be called from now
// on.
func (a *Agent) Open() error { return a.port.Register(a.current.Ufrag, a.owner) }

// Restart begins a new ICE generation (RFC 8445 section 9). The older one goes
// on until the client has nominated a path with the new one, or for ever when it
// never does. client are the client's new credentials.
func (a *Agent) Restart(client Credentials) (Credentials, error) {
	c := NewCredentials()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.closed {
		return Credentials{}, ErrClosed
	}
	if err := a.port.Register(c.Ufrag, a.owner); err != nil {
		return Credentials{}, err
	}
	if a.next.Ufrag != "" {
		a.keep() // checks of it may have come from there
		a.port.Unregister(a.next.Ufrag)
		a.dropAll()
	}
	a.next = c
	a.clients = append([]Credentials{client}, a.clients[:min(len(a.clients), maxClients-1)]...)
	return c, nil
}

// Check takes a STUN message from the port and tells what it shows. A check that
// proves knowledge of the password is answered; so is one of ours, by the
// client. Anything else is dropped.
func (a *Agent) Check(b []byte, from netip.AddrPort) Finding {
	if isAnswer(b) {
		return a.proven(b, from)
	}
	k, ok := ParseCheck(b)
	if !ok {
		return Forged
	}
	g := a.generation(k.Ufrag)
	if g.Ufrag == "" || !k.ProvenBy(g) {
		return Forged
	}
	found, wanted := a.find(k, from)
	if answer := k.Answer(g, a.port.Remote(from)); answer != nil {
		_ = a.port.Send(answer, from) // a check that is not answered is sent again
	}
	if wanted {
		a.demand(k, from)
	}
	return found
}

// generation returns ours with a name, the zero one when there is none.
func (a *Agent) generation(ufrag string) Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch ufrag {
	case a.next.Ufrag:
		return a.next
	case a.current.Ufrag:
		return a.current
	}
	return Credentials{}
}

// find takes an authentic check. The client's nomination is followed; before
// one, and when the chosen address has gone quiet, any address is good. wanted
// says that the client has yet to prove that it is at this one.
func (a *Agent) find(k Check, from netip.AddrPort) (found Finding, wanted bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.closed {
		return Forged, false
	}
	a.port.Learn(from, k.Ufrag)
	copied := a.recent.copied(k, from)
	if a.at != from {
		first := !a.at.IsValid()
		wanted = first || !copied && (k.Nominated || now.Sub(a.checked) > quietAddress)
		if !wanted || a.state.settled && !first {
			return Elsewhere, wanted
		}
		a.move(from, k.Ufrag, first)
		return Here, !first
	}
	if k.Nominated {
		a.adopt(k.Ufrag)
	}
	a.checked = now
	a.resume()
	return Here, !a.state.sure
}

// move has everything sent to another address from now on; mu is held.
func (a *Agent) move(to netip.AddrPort, ufrag string, sure bool) {
	a.dropAll()
	a.at, a.checked, a.state.lapsed, a.state.sure = to, time.Now(), false, sure
	a.tell()
	a.adopt(ufrag)
}

// tell tells the owner where to send now; mu is held.
func (a *Agent) tell() {
	to := a.at
	if a.state.lapsed || a.state.settled && !a.state.sure {
		to = netip.AddrPort{}
	}
	a.owner.Moved(to)
}

// Settle says that the handshake of DTLS is done: media may begin, if it is sure
// where the client is.
func (a *Agent) Settle() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.state.settled && !a.state.closed {
		a.state.settled = true
		a.tell()
	}
}

// adopt ends the older generation when the client has chosen the newer; mu is
// held.
func (a *Agent) adopt(ufrag string) {
	if ufrag == a.next.Ufrag {
		a.port.Unregister(a.current.Ufrag)
		a.current, a.next = a.next, Credentials{}
		a.drop(func(p *proof) bool { return p.ufrag != ufrag })
	}
}

// Keep tells the port once more that the chosen address is the client's: a
// forged check of another session may have taken it away.
func (a *Agent) Keep() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keep()
}

// keep is Keep while mu is held.
func (a *Agent) keep() {
	if a.at.IsValid() {
		a.port.Learn(a.at, a.current.Ufrag)
	}
}

// Lapse stops the sending, because the client's consent to it has ended, until
// a check or Resume.
func (a *Agent) Lapse() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.at.IsValid() && !a.state.lapsed {
		a.state.lapsed = true
		a.tell()
	}
}

// Resume has what is sent go to where the client was when its consent lapsed:
// something authentic came from it.
func (a *Agent) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.resume()
}

// At tells whether the client is known to be at an address.
func (a *Agent) At(from netip.AddrPort) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at == from && a.at.IsValid()
}

// resume is Resume while mu is held.
func (a *Agent) resume() {
	if a.state.lapsed && !a.state.closed {
		a.state.lapsed = false
		a.tell()
	}
}

// Close forgets the session at the port. It may be called twice.
func (a *Agent) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state.closed {
		return
	}
	a.state.closed = true
	a.dropAll()
	a.port.Unregister(a.current.Ufrag)
	if a.next.Ufrag != "" {
		a.port.Unregister(a.next.Ufrag)
	}
	a.current, a.next = Credentials{}, Credentials{}
}
