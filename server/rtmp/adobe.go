package rtmp

import (
	"crypto/md5"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/port/limit"
)

// How long who was challenged may take, and how many are remembered.
const (
	answerTime   = 30 * time.Second
	wantTime     = time.Minute      // to come back after a refusal for want of credentials
	wantTimes    = 2                // refusals until a client is challenged
	knownTime    = 10 * time.Minute // to come back after an answer
	maxExchanges = 1024
	maxWants     = 1024
)

// askApp is the application that always asks for user and password.
//
// A client says nothing of the user and password it was given until a connect
// is rejected with a challenge, and only then; one that has none gives up at
// such a rejection, though it may have the key in the stream's name, which it
// tells only after a connect has succeeded. The two look the same until it is
// too late, so "live" lets everybody connect, and challenges only who was
// refused for want of credentials twice and comes back: a person who has
// forgotten the key adds it after the first time, an encoder that knows a
// password tries on.
const askApp = "auth"

// challenges are the open exchanges of authmod=adobe. Every step of it is a
// connection of its own.
type challenges struct {
	mu        sync.Mutex
	exchanges map[string]exchange // by challenge
	wants     map[want]wanting    // who came without credentials
}

// exchange is one challenge that was sent.
type exchange struct {
	user    string
	salt    string
	network netip.Addr
	until   time.Time
}

// want is a kind of client of one network.
type want struct {
	network netip.Addr
	version string // what it calls itself
}

// wanting is how often that was, and until when it counts.
type wanting struct {
	times int
	until time.Time
}

func newChallenges() *challenges {
	return &challenges{exchanges: map[string]exchange{}, wants: map[want]wanting{}}
}

// refused notes that a client came without credentials where it needs some.
func (c *challenges) refused(addr netip.Addr, version string) {
	c.note(addr, version, 1, wantTime)
}

// answered notes that a client answers challenges, so that its next connect is
// challenged at once.
func (c *challenges) answered(addr netip.Addr, version string) {
	c.note(addr, version, wantTimes, knownTime)
}

func (c *challenges) note(addr netip.Addr, version string, times int, within time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wants) >= maxWants {
		clear(c.wants) // those concerned are refused once or twice more
	}
	key, now := want{limit.Network(addr), version}, time.Now()
	if w := c.wants[key]; now.Before(w.until) {
		times += w.times
	}
	c.wants[key] = wanting{times, now.Add(within)}
}

// due tells whether a client is to be challenged. If it does not answer, the
// next one is not.
func (c *challenges) due(addr netip.Addr, version string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := want{limit.Network(addr), version}
	w := c.wants[key]
	if w.times < wantTimes {
		return false
	}
	delete(c.wants, key)
	return time.Now().Before(w.until)
}

// satisfied forgets that a client came without credentials: it has some now.
func (c *challenges) satisfied(addr netip.Addr, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.wants, want{limit.Network(addr), version})
}

// plainVersion is what clients of a common library call themselves, which want a
// challenge without the words that all others are used to.
const plainVersion = "LNX 9,0,124,2"

// issue makes a new challenge for a user and returns how it is told.
func (c *challenges) issue(addr netip.Addr, version, user string) string {
	salt, challenge := rand.Text(), rand.Text()
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if len(c.exchanges) >= maxExchanges {
		for k, e := range c.exchanges {
			if now.After(e.until) {
				delete(c.exchanges, k)
			}
		}
	}
	if len(c.exchanges) >= maxExchanges {
		clear(c.exchanges)
	}
	c.exchanges[challenge] = exchange{user: user, salt: salt, network: limit.Network(addr), until: now.Add(answerTime)}
	before := "[ AccessManager.Reject ] : [ authmod=adobe ] : "
	if version == plainVersion {
		before = "authmod=adobe "
	}
	return fmt.Sprintf("%s?reason=needauth&user=%s&salt=%s&challenge=%s&opaque=%s", before, user, salt, challenge, challenge)
}

// answer is a client's response to a challenge.
type answer struct {
	user      string
	challenge string // the client's own
	response  string
	opaque    string
}

// accept ends the exchange that an answer belongs to, and returns what tells
// whether a password fits it; ok is false when there is no such exchange. Each
// can be answered once, so that an answer overheard is worth nothing.
func (c *challenges) accept(addr netip.Addr, a answer) (proves func(secret string) bool, ok bool) {
	network, now := limit.Network(addr), time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	key := a.opaque
	if key == "" { // some clients do not send it back: the newest of this network
		var newest time.Time
		for k, e := range c.exchanges {
			if e.network == network && e.until.After(newest) {
				key, newest = k, e.until
			}
		}
	}
	e, ok := c.exchanges[key]
	delete(c.exchanges, key)
	if !ok || e.network != network || now.After(e.until) {
		return nil, false
	}
	return func(secret string) bool {
		want := adobeResponse(e.user, e.salt, secret, key, a.challenge)
		return subtle.ConstantTimeCompare([]byte(want), []byte(a.response)) == 1
	}, true
}

// adobeResponse is what proves a password.
func adobeResponse(user, salt, pass, opaque, challenge string) string {
	inner := md5.Sum([]byte(user + salt + pass))
	outer := md5.Sum([]byte(base64.StdEncoding.EncodeToString(inner[:]) + opaque + challenge))
	return base64.StdEncoding.EncodeToString(outer[:])
}

// adobeQuery finds what a client says of authmod=adobe behind the application's
// name, and returns the application without it.
func adobeQuery(app string) (rest string, a answer, ok bool) {
	rest, query, found := strings.Cut(app, "?authmod=adobe")
	if !found {
		return app, answer{}, false
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "user":
			a.user = value
		case "challenge":
			a.challenge = value
		case "response":
			a.response = value
		case "opaque":
			a.opaque = value
		}
	}
	return rest, a, true
}
