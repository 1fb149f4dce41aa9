// Package seal protects the RTP packets that are sent to one peer (SRTP, RFC
// 3711). It knows no stream and numbers nothing: the caller has 48-bit indexes
// of its own, so that nothing has to be looked up or guessed for a packet.
//
// With AES-GCM (RFC 7714), which every browser takes, a packet is sealed in one
// pass from where its payload lies. The library, which does the rest, copies it
// first and looks up a state for its SSRC: with some hundred peers in turn that
// is memory that no cache holds.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// Overhead is the most bytes by which a packet grows.
const Overhead = 16

// Labels of the key derivation (RFC 3711 section 4.3.1).
const (
	labelKey  = 0
	labelSalt = 2
)

// saltSize is that of AES-GCM (RFC 7714 section 12).
const saltSize = 12

// Sealer seals what is sent to one peer. It is one goroutine's.
type Sealer struct {
	aead    cipher.AEAD // nil for profiles without AES-GCM
	salt    [saltSize]byte
	nonce   [saltSize]byte // scratch
	header  rtp.Header     // scratch
	context *srtp.Context  // what is not AES-GCM, and SRTCP
}

// New returns a sealer with the master key and salt of a profile.
func New(profile srtp.ProtectionProfile, key, salt []byte) (*Sealer, error) {
	context, err := srtp.CreateContext(key, salt, profile)
	if err != nil {
		return nil, fmt.Errorf("keys of SRTP: %w", err)
	}
	s := &Sealer{context: context}
	if profile != srtp.ProtectionProfileAeadAes128Gcm && profile != srtp.ProtectionProfileAeadAes256Gcm {
		return s, nil
	}
	session, err := derive(key, salt, labelKey, len(key))
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(session)
	if err != nil {
		return nil, fmt.Errorf("keys of SRTP: %w", err)
	}
	if s.aead, err = cipher.NewGCM(block); err != nil {
		return nil, fmt.Errorf("keys of SRTP: %w", err)
	}
	sessionSalt, err := derive(key, salt, labelSalt, saltSize)
	copy(s.salt[:], sessionSalt)
	return s, err
}

// derive makes a session key of size bytes (RFC 3711 section 4.3.3): what AES in
// counter mode makes of zeros. The salt of AES-GCM is padded with zeros on the
// right (RFC 7714 section 11).
func derive(key, salt []byte, label byte, size int) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("keys of SRTP: %w", err)
	}
	var iv [aes.BlockSize]byte
	copy(iv[:], salt)
	iv[7] ^= label
	out := make([]byte, size)
	cipher.NewCTR(block, iv[:]).XORKeyStream(out, out)
	return out, nil
}

// RTP seals a packet. Its header is in the first bytes of packet, header bytes
// long; the payload follows there or lies somewhere else. index is the packet's
// 48-bit index (RFC 3711 section 3.3.1), whose low 16 bits are the sequence
// number in the header: two different packets of one SSRC must never have the
// same. The capacity of packet must suffice for Overhead more bytes. It returns
// the sealed packet.
func (s *Sealer) RTP(packet []byte, header int, payload []byte, index uint64) ([]byte, error) {
	if s.aead == nil {
		plain := packet[:header+copy(packet[header:cap(packet)], payload)]
		return s.context.EncryptRTP(plain[:0:cap(plain)], plain, &s.header)
	}
	h := packet[:header]
	// RFC 7714 section 8.1: two zeros, SSRC, rollover counter and sequence number,
	// mixed with the salt.
	n := &s.nonce
	*n = s.salt
	for i, b := range h[8:12] {
		n[2+i] ^= b
	}
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^index&(1<<48-1))
	sealed := s.aead.Seal(packet[header:header:cap(packet)], n[:], payload, h)
	return packet[:header+len(sealed)], nil
}

// RTCP seals a compound packet in place; plain needs the capacity for 20 more
// bytes, or the result lies elsewhere.
func (s *Sealer) RTCP(plain []byte) ([]byte, error) {
	return s.context.EncryptRTCP(plain[:0], plain, nil)
}
