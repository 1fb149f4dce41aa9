// Package lite is what every ICE-lite agent of this server has in common (RFC
// 8445 section 2.5): credentials, the answer to a connectivity check, and an
// Agent for sessions that last, which makes sure of where its client is. It
// knows no media and no signalling.
package lite

import (
	"crypto/rand"
	"net/netip"
	"strings"

	"github.com/pion/stun/v4"
)

// ufragSize is the length of our user fragments, in characters.
const ufragSize = 12

// Credentials are one ICE generation of a session, of ours or of the client's
// (RFC 8445 section 5.3). The password is a secret of the session and its client.
type Credentials struct {
	Ufrag     string
	Password  string
	integrity stun.MessageIntegrity
}

// NewCredentials makes credentials that nobody guesses.
func NewCredentials() Credentials {
	c := Credentials{Ufrag: rand.Text()[:ufragSize], Password: rand.Text()}
	c.integrity = stun.NewShortTermIntegrity(c.Password)
	return c
}

// Check is a connectivity check of a client (RFC 8445 section 7.1).
type Check struct {
	Ufrag     string // ours, to which the check is addressed
	Nominated bool   // the client wants this pair (RFC 8445 section 7.1.2)
	theirs    string // the client's own name, as it stands behind ours
	message   *stun.Message
}

// ParseCheck reads a check; b is copied. It says nothing about who sent it:
// that does ProvenBy.
func ParseCheck(b []byte) (Check, bool) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	var username stun.Username
	if m.Decode() != nil || m.Type != stun.BindingRequest || username.GetFrom(m) != nil {
		return Check{}, false
	}
	ufrag, theirs, _ := strings.Cut(string(username), ":")
	return Check{Ufrag: ufrag, Nominated: m.Contains(stun.AttrUseCandidate), theirs: theirs, message: m}, true
}

// ProvenBy says whether the one who sent the check knows the password.
func (k Check) ProvenBy(c Credentials) bool {
	return k.Ufrag == c.Ufrag && c.integrity.Check(k.message) == nil
}

// Answer makes the success response (RFC 8445 section 7.3.1.1). from is where
// the client is seen. The answer is shorter than any check that proves itself.
// It is nil when from is no address.
func (k Check) Answer(c Credentials, from netip.AddrPort) []byte {
	answer, err := stun.Build(k.message, stun.BindingSuccess,
		&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, c.integrity, stun.Fingerprint)
	if err != nil {
		return nil
	}
	return answer.Raw
}
