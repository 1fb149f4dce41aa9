package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// sealLabel sets the sealing secret apart from all else that is derived from
// the signing secret.
const sealLabel = "heliograph stream key seal v1"

// sealer keeps stream keys so that this server can read them again: protocols
// with challenge and response need the key itself, and a page shows it.
//
// Beside the hash alone that is no new risk. Who reads the database has the
// signing secret too, which is in it, and makes tokens for every stream. Who
// gets only a part of it, a row in a log or a query, gets nothing readable.
type sealer struct {
	// set at construction
	aead    cipher.AEAD
	nobodys string // the key of no stream
	dummy   []byte // the same, sealed
}

func newSealer(secret []byte) (*sealer, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, sealLabel, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the sealing secret: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("making the seal: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("making the seal: %w", err)
	}
	s := &sealer{aead: aead, nobodys: freshKey()}
	s.dummy = s.seal("", s.nobodys) // no stream has this name
	return s, nil
}

// seal encrypts a key for its stream: in the row of another it does not open.
func (s *sealer) seal(stream, key string) []byte {
	return s.aead.Seal(nil, nil, []byte(key), []byte(stream))
}

// open returns the key and true. Without one it does the same work, and returns
// a key that nobody knows and false; so it does for a broken seal, or one made
// with a signing secret that is gone.
func (s *sealer) open(stream string, sealed []byte) (string, bool) {
	known := sealed != nil
	if !known {
		stream, sealed = "", s.dummy
	}
	key, err := s.aead.Open(nil, nil, sealed, []byte(stream))
	if !known || err != nil {
		return s.nobodys, false
	}
	return string(key), true
}

// documentLabel sets what Seal seals apart from stream keys: no stream has a
// space in its name.
const documentLabel = "document "

// Seal encrypts a document that holds passwords or keys of other machines, for
// the place with this name: in another it does not open.
func (s *Service) Seal(place string, document []byte) []byte {
	return s.sealer.aead.Seal(nil, nil, document, []byte(documentLabel+place))
}

// Unseal returns what Seal was given, or an error when it was not sealed for
// this place with the signing secret of this server.
func (s *Service) Unseal(place string, sealed []byte) ([]byte, error) {
	document, err := s.sealer.aead.Open(nil, nil, sealed, []byte(documentLabel+place))
	if err != nil {
		return nil, fmt.Errorf("opening the seal: %w", err)
	}
	return document, nil
}

// freshKey makes a stream key.
func freshKey() string { return keyPrefix + base64.RawURLEncoding.EncodeToString(random(keyLen)) }
