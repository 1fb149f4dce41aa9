package lite

import (
	"errors"
	"net/netip"
	"sync"
	"time"

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

// Agent is the ICE agent of one session: it answers checks, learns from them
// where the client is, and goes over to new credentials when ICE is restarted.
// Nothing is sent to an address from which no check with the password came.
type Agent struct {
	// set at construction
	port  *port.Port
	owner Owner

	// guarded by mu
	mu      sync.Mutex
	current Credentials
	next    Credentials // of a restart that the client has not gone over to; zero for none
	at      netip.AddrPort
	checked time.Time // the last check from at
	lapsed  bool      // nothing may be sent there for now
	closed  bool
}

// NewAgent returns an agent with its first credentials.
func NewAgent(p *port.Port, owner Owner) (*Agent, Credentials) {
	c := NewCredentials()
	return &Agent{port: p, owner: owner, current: c}, c
}

// Open registers the owner at the port until Close: it may be called from now
// on.
func (a *Agent) Open() error { return a.port.Register(a.current.Ufrag, a.owner) }

// Restart begins a new ICE generation (RFC 8445 section 9). The older one goes
// on until the client has nominated a path with the new one, or for ever when it
// never does.
func (a *Agent) Restart() (Credentials, error) {
	c := NewCredentials()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return Credentials{}, ErrClosed
	}
	if err := a.port.Register(c.Ufrag, a.owner); err != nil {
		return Credentials{}, err
	}
	if a.next.Ufrag != "" {
		a.keep() // checks of it may have come from there
		a.port.Unregister(a.next.Ufrag)
	}
	a.next = c
	return c, nil
}

// Check takes a STUN message from the port. A check that proves knowledge of
// the password is answered; ok is false for any other, which is dropped.
func (a *Agent) Check(b []byte, from netip.AddrPort) (ok bool) {
	k, ok := ParseCheck(b)
	if !ok {
		return false
	}
	c := a.credentials(k.Ufrag)
	if c.Ufrag == "" || !k.ProvenBy(c) {
		return false
	}
	a.prove(c, from, k.Nominated)
	if answer := k.Answer(c, a.port.Remote(from)); answer != nil {
		_ = a.port.Send(answer, from) // a check that is not answered is sent again
	}
	return true
}

// credentials returns ours with a name, the zero Credentials when there are
// none.
func (a *Agent) credentials(ufrag string) Credentials {
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

// prove notes that the client is at from. It follows the client's nomination;
// before one, and when the chosen address has gone quiet, any address that
// proved itself is taken.
func (a *Agent) prove(c Credentials, from netip.AddrPort, nominated bool) {
	now := time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.port.Learn(from, c.Ufrag)
	renewed := c.Ufrag == a.next.Ufrag
	switch {
	case a.at == from && (!renewed || !nominated):
		a.checked = now
		a.resume()
	case nominated || !a.at.IsValid() || now.Sub(a.checked) > quietAddress:
		a.at, a.checked, a.lapsed = from, now, false
		a.owner.Moved(from)
		if renewed {
			a.port.Unregister(a.current.Ufrag)
			a.current, a.next = a.next, Credentials{}
		}
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
	if a.at.IsValid() && !a.lapsed {
		a.lapsed = true
		a.owner.Moved(netip.AddrPort{})
	}
}

// Resume has what is sent go to where the client was when its consent lapsed:
// something authentic came from it.
func (a *Agent) Resume() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.resume()
}

// resume is Resume while mu is held.
func (a *Agent) resume() {
	if a.lapsed && !a.closed {
		a.lapsed = false
		a.owner.Moved(a.at)
	}
}

// Close forgets the session at the port. It may be called twice.
func (a *Agent) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.closed = true
	a.port.Unregister(a.current.Ufrag)
	if a.next.Ufrag != "" {
		a.port.Unregister(a.next.Ufrag)
	}
	a.current, a.next = Credentials{}, Credentials{}
}
