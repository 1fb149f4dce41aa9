package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of one hash: the second choice of RFC 9106 section 4 scaled to what a
// small server can spare, as OWASP advises: 19 MiB and two passes.
const (
	hashMemory  = 19 * 1024 // KiB
	hashPasses  = 2
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashLen     = 32 // bytes
)

// Bounds on what hashing may take from the media: at most hashesAtOnce run
// (2 x 19 MiB), and hashesWaiting more wait for their turn.
const (
	hashesAtOnce  = 2
	hashesWaiting = 32
	maxPassword   = 1024 // bytes
)

var errHash = errors.New("the stored password hash is not readable")

// hasher hashes passwords, a few at a time.
type hasher struct {
	// set at construction
	running chan struct{}
	waiting chan struct{}
	dummy   string // what a password is compared with when the user is unknown
}

func newHasher() *hasher {
	return &hasher{
		running: make(chan struct{}, hashesAtOnce),
		waiting: make(chan struct{}, hashesAtOnce+hashesWaiting),
		// Nobody's password: 32 random bytes stand where the hash would.
		dummy: encodeHash(random(hashSalt), random(hashLen)),
	}
}

// enter waits for a turn. It returns ErrThrottled when too many wait already.
func (h *hasher) enter(ctx context.Context) error {
	select {
	case h.waiting <- struct{}{}:
	default:
		return ErrThrottled
	}
	select {
	case h.running <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-h.waiting
		return ctx.Err()
	}
}

func (h *hasher) leave() {
	<-h.running
	<-h.waiting
}

// hash returns the PHC string of a new password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer h.leave()
	salt := random(hashSalt)
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashThreads, hashLen)
	return encodeHash(salt, sum), nil
}

// verify tells whether the password fits a PHC string. An empty string stands
// for an unknown user: the same work is done, and the answer is no.
func (h *hasher) verify(ctx context.Context, stored, password string) (bool, error) {
	known := stored != ""
	if !known {
		stored = h.dummy
	}
	salt, want, err := decodeHash(stored)
	if err != nil {
		return false, err
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer h.leave()
	sum := argon2.IDKey([]byte(password), salt, hashPasses, hashMemory, hashThreads, hashLen)
	return subtle.ConstantTimeCompare(sum, want) == 1 && known, nil
}

func encodeHash(salt, sum []byte) string {
	b64 := base64.RawStdEncoding
	return hashPrefix() + b64.EncodeToString(salt) + "$" + b64.EncodeToString(sum)
}

// decodeHash reads what encodeHash wrote. Another cost than ours is refused:
// the day it is raised, this is where the old one has to be read.
func decodeHash(s string) (salt, sum []byte, err error) {
	rest, ok := strings.CutPrefix(s, hashPrefix())
	if !ok {
		return nil, nil, errHash
	}
	first, second, _ := strings.Cut(rest, "$")
	salt, err1 := base64.RawStdEncoding.DecodeString(first)
	sum, err2 := base64.RawStdEncoding.DecodeString(second)
	if err1 != nil || err2 != nil || len(salt) != hashSalt || len(sum) != hashLen {
		return nil, nil, errHash
	}
	return salt, sum, nil
}

func hashPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashPasses, hashThreads)
}

// random returns n random bytes; crypto/rand does not fail.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
