package turn

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

const (
	secretSize     = 32
	credentialLife = time.Hour
	idSize         = 12 // bytes of randomness in a username
	subjectSize    = 8  // bytes of the subject's digest in a username
	// maxCredentials bounds those in force. A session has one, and sessions
	// are limited elsewhere; beyond it any old one makes room.
	maxCredentials = 1 << 17
	maxUsername    = 64
)

// credentials makes and checks time-limited passwords. A password is the HMAC
// of its username, which says when it expires and names a subject and a random
// id; beside that only ids that were given out and not revoked are valid.
type credentials struct {
	// set at construction
	secret []byte
	realm  string
	// guarded by mu
	mu     sync.Mutex
	issued map[string]int64 // username → expiry in Unix seconds
	sweep  int              // sweep when so many are there
}

func newCredentials(secret []byte, realm string) *credentials {
	return &credentials{secret: secret, realm: realm, issued: map[string]int64{}, sweep: 1024}
}

// Credentials makes a username and password for TURN, valid until expires or
// until revoked. subject is whom it is for, such as a session; it is not told
// to anybody. Each call makes another pair.
func (s *Server) Credentials(subject string) (username, password string, expires time.Time) {
	return s.credentials.issue(subject, time.Now())
}

func (c *credentials) issue(subject string, now time.Time) (username, password string, expires time.Time) {
	expires = now.Add(credentialLife).Truncate(time.Second)
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the program instead
	username = strings.Join([]string{
		strconv.FormatInt(expires.Unix(), 10), hex.EncodeToString(id),
		hex.EncodeToString(c.mac("subject\x00" + subject)[:subjectSize]),
	}, ":")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.makeRoom(now.Unix())
	c.issued[username] = expires.Unix()
	return username, c.password(username), expires
}

// makeRoom forgets what has expired, now and then; mu is held.
func (c *credentials) makeRoom(now int64) {
	if len(c.issued) < c.sweep {
		return
	}
	for u, expiry := range c.issued {
		if expiry <= now {
			delete(c.issued, u)
		}
	}
	c.sweep = min(max(2*len(c.issued), 1024), maxCredentials)
	if len(c.issued) >= maxCredentials {
		for u := range c.issued {
			delete(c.issued, u)
			break
		}
	}
}

func (c *credentials) revoke(username string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.issued, username)
}

// key returns the long-term key of a username (RFC 8489 section 9.2.2), when
// that is in force.
func (c *credentials) key(username string) (stun.MessageIntegrity, bool) {
	return c.keyAt(username, time.Now())
}

func (c *credentials) keyAt(username string, now time.Time) (stun.MessageIntegrity, bool) {
	expiry, ok := parseUsername(username)
	if !ok || expiry <= now.Unix() {
		return nil, false
	}
	if !c.inForce(username) {
		return nil, false
	}
	return c.keyOf(username), true
}

// inForce says whether a username was given out and not revoked; it may have
// expired.
func (c *credentials) inForce(username string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.issued[username]
	return ok
}

// keyOf returns the key of a username, in force or not.
func (c *credentials) keyOf(username string) stun.MessageIntegrity {
	return stun.NewLongTermIntegrity(username, c.realm, c.password(username))
}

// key returns the key with which a client may sign. The expiry of a credential
// is for beginning: an allocation that was made with it goes on until its
// session ends, which revokes it, however long that lasts.
func (s *Server) key(c client, username string) (stun.MessageIntegrity, bool) {
	if owner, ok := s.allocations.owner(c); ok && owner == username {
		return s.credentials.keyOf(username), true
	}
	return s.credentials.key(username)
}

func (c *credentials) password(username string) string {
	return base64.RawURLEncoding.EncodeToString(c.mac("password\x00" + username)[:24])
}

func (c *credentials) mac(text string) []byte {
	h := hmac.New(sha256.New, c.secret)
	_, _ = h.Write([]byte(text))
	return h.Sum(nil)
}

// parseUsername checks the shape of a username and returns its expiry in Unix
// seconds: expiry:id:subject, in decimal and hexadecimal digits.
func parseUsername(username string) (expiry int64, ok bool) {
	if len(username) > maxUsername {
		return 0, false
	}
	first, rest, _ := strings.Cut(username, ":")
	id, subject, _ := strings.Cut(rest, ":")
	if len(id) != 2*idSize || len(subject) != 2*subjectSize || !isHex(id) || !isHex(subject) {
		return 0, false
	}
	expiry, err := strconv.ParseInt(first, 10, 64)
	if err != nil || expiry <= 0 || strconv.FormatInt(expiry, 10) != first {
		return 0, false
	}
	return expiry, true
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
