package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// A stream key is keyPrefix and 24 random bytes in base64url; the prefix lets
// scanners for leaked secrets know it.
const (
	keyPrefix = "hk_"
	keyLen    = 24

	tokenPrefix = "eyJ" // of a JWT: {" in base64
)

// LooksLikeBearer tells whether a text is a stream key or a token by its looks:
// doors take one where a password stands, because many programs have only a
// field for that.
func LooksLikeBearer(text string) bool {
	return strings.HasPrefix(text, keyPrefix) || strings.HasPrefix(text, tokenPrefix) && strings.Count(text, ".") == 2
}

var bearerText = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// Bearer tells whether a token or stream key is a right one, without asking
// what for. It returns ErrUnauthenticated or ErrThrottled.
func (s *Service) Bearer(ctx context.Context, token string, addr netip.Addr) error {
	_, err := s.bearer(ctx, token, addr)
	return err
}

// bearer identifies the holder of a token or stream key. A right one is never
// throttled: it cannot be guessed, and an encoder must not be locked out by
// the failures of a neighbour behind the same address.
func (s *Service) bearer(ctx context.Context, token string, addr netip.Addr) (principal, error) {
	p, err := s.readBearer(ctx, token)
	if errors.Is(err, ErrUnauthenticated) && !s.addresses.take(addressKey(addr), s.now()) {
		return principal{}, ErrThrottled
	}
	return p, err
}

func (s *Service) readBearer(ctx context.Context, token string) (principal, error) {
	// Go's base64 skips line breaks: without this one token had many spellings.
	if len(token) > maxToken || !bearerText.MatchString(token) {
		return principal{}, ErrUnauthenticated
	}
	if strings.Count(token, ".") == 2 {
		return s.readToken(token)
	}
	sum := sha256.Sum256([]byte(token))
	// Looking up the hash takes the same time for every wrong key: what an
	// index tells by its timing is about a hash nobody can steer.
	k, err := s.storage.KeyByHash(ctx, sum[:])
	if errors.Is(err, ErrNotFound) {
		return principal{}, ErrUnauthenticated
	}
	if err != nil {
		return principal{}, fmt.Errorf("looking up the key: %w", err)
	}
	return principal{subject: "key:" + k.Stream, action: Publish, stream: k.Stream}, nil
}

// NewKey makes the key of a stream and returns it; Key shows it again. An
// earlier key of the stream stops working. private says whether watching
// needs a credential too; nil leaves that as it was. It returns ErrName.
func (s *Service) NewKey(ctx context.Context, stream string, private *bool) (string, error) {
	if !ValidName(stream) {
		return "", ErrName
	}
	old, err := s.storage.KeyOf(ctx, stream)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", fmt.Errorf("looking up the stream: %w", err)
	}
	key := freshKey()
	sum := sha256.Sum256([]byte(key))
	k := Key{Stream: stream, Hash: sum[:], Sealed: s.sealer.seal(stream, key), Private: old.Private}
	if private != nil {
		k.Private = *private
	}
	if err := s.storage.PutKey(ctx, k); err != nil {
		return "", fmt.Errorf("storing the key: %w", err)
	}
	return key, nil
}

// PrivateStreams names the streams that not everybody may watch.
func (s *Service) PrivateStreams(ctx context.Context) (map[string]bool, error) {
	names, err := s.storage.PrivateStreams(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing the private streams: %w", err)
	}
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set, nil
}
