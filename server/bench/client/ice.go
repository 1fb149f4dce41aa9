package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// Priorities of the one host candidate and of what a check would make known
// (RFC 8445 section 5.1.2).
const (
	hostPriority      = 126<<24 | 65535<<8 | 255
	reflexivePriority = 110<<24 | 65535<<8 | 255
)

// checkAgain is the time between two checks that are not answered.
const checkAgain = 50 * time.Millisecond

// errUnreached says that no check was answered.
var errUnreached = errors.New("no answer to the ICE checks: the server's media address may not be reachable from here")

// credentials are one side's ICE user and password.
type credentials struct {
	ufrag     string
	password  string
	integrity stun.MessageIntegrity
}

func newCredentials(ufrag, password string) credentials {
	return credentials{ufrag, password, stun.NewShortTermIntegrity(password)}
}

func randomCredentials() credentials {
	return newCredentials(rand.Text()[:8], rand.Text())
}

// First byte of our transaction IDs: which check an answer is to.
const (
	plainCheck = iota
	nominatingCheck
)

// check sends one ICE check.
func (c *Client) check(to netip.AddrPort, kind byte) {
	m := stun.New()
	m.TransactionID = stun.NewTransactionID()
	m.TransactionID[0] = kind
	setters := []stun.Setter{
		stun.NewTransactionIDSetter(m.TransactionID), stun.BindingRequest,
		stun.NewUsername(c.answer.remote.ufrag + ":" + c.local.ufrag),
		stun.RawAttribute{Type: stun.AttrPriority, Value: binary.BigEndian.AppendUint32(nil, reflexivePriority)},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: binary.BigEndian.AppendUint64(nil, c.tie)},
	}
	if kind == nominatingCheck {
		setters = append(setters, stun.RawAttribute{Type: stun.AttrUseCandidate})
	}
	if m.Build(append(setters, c.answer.remote.integrity, stun.Fingerprint)...) == nil {
		c.send(m.Raw, to)
	}
}

// reach sends checks to all addresses until one is answered.
func (c *Client) reach(ctx context.Context) (netip.AddrPort, error) {
	tick := time.NewTicker(checkAgain)
	defer tick.Stop()
	for {
		for _, to := range c.answer.addresses {
			c.check(to, plainCheck)
		}
		select {
		case from := <-c.reached:
			return from, nil
		case <-tick.C:
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return netip.AddrPort{}, errUnreached
			}
			return netip.AddrPort{}, ctx.Err()
		}
	}
}

// nominate tells the server to use the path until it has answered.
func (c *Client) nominate(ctx context.Context, to netip.AddrPort) {
	tick := time.NewTicker(checkAgain)
	defer tick.Stop()
	for {
		c.check(to, nominatingCheck)
		select {
		case <-c.nominated:
			return
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// stun takes a STUN message from the socket.
func (c *Client) stun(b []byte, from netip.AddrPort) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil {
		return
	}
	switch m.Type {
	case stun.BindingSuccess:
		if c.answer.remote.integrity.Check(m) == nil {
			c.answered(m.TransactionID[0], from)
		}
	case stun.BindingRequest:
		if c.local.integrity.Check(m) != nil {
			return
		}
		reply, err := stun.Build(m, stun.BindingSuccess,
			&stun.XORMappedAddress{IP: from.Addr().AsSlice(), Port: int(from.Port())}, c.local.integrity, stun.Fingerprint)
		if err == nil {
			c.send(reply.Raw, from)
		}
		if c.path.Load() == nil { // a server behind an address that it did not name
			c.check(from, plainCheck)
		}
	}
}

// answered notes that the server has answered a check.
func (c *Client) answered(kind byte, from netip.AddrPort) {
	c.heard.Store(time.Now().UnixNano())
	if kind == nominatingCheck {
		select {
		case c.nominated <- struct{}{}:
		default:
		}
		return
	}
	select {
	case c.reached <- from:
	default:
	}
}
