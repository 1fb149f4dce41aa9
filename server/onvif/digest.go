package onvif

import (
	"crypto/md5" // what cameras speak
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"regexp"
	"strings"
)

// challenge is a server's question of HTTP Digest, RFC 7616. Newer cameras ask
// it beside the proof in the message, or in place of it.
type challenge struct {
	realm, nonce, opaque, algorithm string
	qop                             bool // "auth" is offered
	uses                            int
}

// parameter finds name=value and name="value" in a challenge.
var parameter = regexp.MustCompile(`([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))`)

// parseChallenge returns the first challenge that can be answered, nil when
// there is none.
func parseChallenge(headers []string) *challenge {
	for _, h := range headers {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(h), " ")
		if !strings.EqualFold(scheme, "Digest") || len(rest) > 1024 {
			continue
		}
		c := &challenge{algorithm: "MD5"}
		for _, p := range parameter.FindAllStringSubmatch(rest, 16) {
			c.set(strings.ToLower(p[1]), p[2]+p[3])
		}
		if c.nonce != "" && c.hash() != nil {
			return c
		}
	}
	return nil
}

func (c *challenge) set(name, value string) {
	switch name {
	case "realm":
		c.realm = value
	case "nonce":
		c.nonce = value
	case "opaque":
		c.opaque = value
	case "algorithm":
		c.algorithm = value
	case "qop":
		for q := range strings.SplitSeq(value, ",") {
			c.qop = c.qop || strings.TrimSpace(q) == "auth"
		}
	}
}

// hash returns the algorithm, nil for one that is not known.
func (c *challenge) hash() func() hash.Hash {
	switch strings.ToUpper(c.algorithm) {
	case "MD5":
		return md5.New
	case "SHA-256":
		return sha256.New
	}
	return nil
}

// authorization answers the challenge for one request.
func (c *challenge) authorization(method, uri, user, password string) string {
	digest := func(parts ...string) string {
		h := c.hash()()
		_, _ = h.Write([]byte(strings.Join(parts, ":"))) // a hash does not fail
		return hex.EncodeToString(h.Sum(nil))
	}
	c.uses++
	once, count := rand.Text()[:16], fmt.Sprintf("%08x", c.uses)
	secret, request := digest(user, c.realm, password), digest(method, uri)
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(user)
	head := fmt.Sprintf(`Digest username="%s", realm="%s", nonce="%s", uri="%s", algorithm=%s`, name, c.realm, c.nonce, uri, c.algorithm)
	if c.opaque != "" {
		head += fmt.Sprintf(`, opaque="%s"`, c.opaque)
	}
	if !c.qop {
		return head + fmt.Sprintf(`, response="%s"`, digest(secret, c.nonce, request))
	}
	return head + fmt.Sprintf(`, qop=auth, nc=%s, cnonce="%s", response="%s"`, count, once,
		digest(secret, c.nonce, count, once, "auth", request))
}
