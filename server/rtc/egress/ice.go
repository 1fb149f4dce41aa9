package egress

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// useCandidate is the attribute with which the client nominates a pair (RFC
// 8445 section 7.1.2).
const useCandidate = stun.AttrType(0x0025)

// quietAddress is how long an address may be without checks before another
// one that was not nominated takes its place.
const quietAddress = 3 * time.Second

// credentials are one ICE generation of a viewer (RFC 8445 section 5.3).
type credentials struct {
	ufrag     string
	password  string
	integrity stun.MessageIntegrity
}

// generation is a viewer's ICE credentials and those that may replace them.
type generation struct {
	current  credentials
	next     *credentials // of an ICE restart that the client has not used yet
	restarts int
}

func newCredentials() credentials {
	c := credentials{ufrag: rand.Text()[:12], password: rand.Text()}
	c.integrity = stun.NewShortTermIntegrity(c.password)
	return c
}

// check answers an ICE connectivity check and learns from it where the viewer
// is. Checks that do not prove knowledge of the password are dropped.
func (v *Viewer) check(b []byte, from netip.AddrPort) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	var username stun.Username
	if m.Decode() != nil || m.Type != stun.BindingRequest || username.GetFrom(m) != nil {
		return
	}
	ufrag, _, _ := strings.Cut(string(username), ":")
	c, newer, ok := v.credentialsOf(ufrag)
	if !ok || c.integrity.Check(m) != nil {
		v.engine.count.badChecks.Inc()
		return
	}
	if newer {
		v.adopt(c)
	}
	v.engine.port.Learn(from, ufrag)
	v.heard(time.Now())
	v.choose(from, m.Contains(useCandidate))
	answer, err := stun.Build(m, stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, c.integrity, stun.Fingerprint)
	if err == nil {
		v.engine.send(answer.Raw, from)
	}
}

// credentialsOf returns the credentials with a ufrag of ours; newer is true
// for those of a restart that the viewer has not used before.
func (v *Viewer) credentialsOf(ufrag string) (c credentials, newer, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.ice.next != nil && v.ice.next.ufrag == ufrag {
		return *v.ice.next, true, true
	}
	return v.ice.current, false, v.ice.current.ufrag == ufrag
}

// adopt ends the older ICE generation: the viewer uses the newer one.
func (v *Viewer) adopt(c credentials) {
	v.mu.Lock()
	if v.ice.next == nil || v.ice.next.ufrag != c.ufrag {
		v.mu.Unlock()
		return
	}
	older := v.ice.current.ufrag
	v.ice.current, v.ice.next = c, nil
	v.address = address{}
	v.mu.Unlock()
	v.engine.port.Unregister(older)
}

// address is where a viewer is.
type address struct {
	at    netip.AddrPort
	heard time.Time // the last check from it
}

// choose follows the client's nomination; before one, and when the chosen
// address has gone quiet, any address that proved itself is taken.
func (v *Viewer) choose(from netip.AddrPort, nominated bool) {
	now := time.Now()
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.address.at == from {
		v.address.heard = now
		return
	}
	if nominated || !v.address.at.IsValid() || now.Sub(v.address.heard) > quietAddress {
		v.address = address{from, now}
		v.to.Store(&from)
	}
}
