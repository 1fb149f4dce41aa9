package auth

import (
	"context"
	"errors"
	"fmt"
)

// CheckProof is Check for protocols that never send the key but prove that
// they know it, by challenge and response or as the key of a cipher. The
// secret is the stream's key; proves is called exactly once for a request
// whose name and action are right, also when the stream has no key, with a
// secret that nobody knows. So the answer does not tell which streams have one;
// RTSP does, because it offers Digest only where a key could be proven.
//
// It returns what Check returns. A key that was made before keys could be read
// again proves nothing: that is logged with the way out.
func (s *Service) CheckProof(ctx context.Context, r Request, proves func(secret string) bool) (Grant, error) {
	if !ValidName(r.Stream) {
		return Grant{}, ErrName
	}
	if r.Action != Publish && r.Action != Watch {
		return Grant{}, ErrDenied
	}
	k, err := s.storage.KeyOf(ctx, r.Stream)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Grant{}, fmt.Errorf("looking up the key: %w", err)
	}
	secret, sealed := s.sealer.open(r.Stream, k.Sealed)
	if proves(secret) && sealed {
		return Grant{action: r.Action, stream: r.Stream, subject: "key:" + r.Stream}, nil
	}
	// As with bearer: only failures count, so an encoder with the right key is
	// never locked out by a neighbour behind the same address.
	if !s.addresses.take(addressKey(r.Addr), s.now()) {
		return Grant{}, ErrThrottled
	}
	if k.Hash != nil && !sealed && s.unreadable.take(r.Stream, s.now()) {
		s.log.Warn("the key of this stream is too old to be proven by this protocol; make a new one with 'heliograph key NAME' or on the Sources page",
			"stream", r.Stream, "proto", r.Proto)
	}
	return Grant{}, ErrUnauthenticated
}

// Key returns the key of a stream, for those who may make a new one anyway.
// ok is false when there is none, or none that can be shown because it was
// made before keys could be read again. It returns ErrName.
func (s *Service) Key(ctx context.Context, stream string) (key string, ok bool, err error) {
	if !ValidName(stream) {
		return "", false, ErrName
	}
	k, err := s.storage.KeyOf(ctx, stream)
	if errors.Is(err, ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("looking up the key: %w", err)
	}
	if key, ok = s.sealer.open(stream, k.Sealed); !ok {
		return "", false, nil
	}
	return key, true, nil
}
