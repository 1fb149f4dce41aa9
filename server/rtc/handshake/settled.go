package handshake

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3/pkg/crypto/prf"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
)

// repeatEvery is the least time between two repetitions of our last flight. A
// client's timer is no shorter (RFC 6347 section 4.2.4.1 says 1 s, browsers
// take 50 ms).
const repeatEvery = 50 * time.Millisecond

// Sizes of TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, the one cipher suite that
// is offered (RFC 5288 section 3).
const (
	suiteKey      = 16
	suiteIV       = 4
	explicitNonce = 8
	suiteTag      = 16
)

// maxRecords is how many records of a datagram are looked at for an alert.
const maxRecords = 4

// settled is all that is kept of DTLS once the handshake is done: enough to
// repeat our last flight, to understand the client's goodbye and to say ours.
// The library's connection would cost goroutines and 40 kB for the same.
type settled struct {
	// set at construction
	flight  []byte // our ChangeCipherSpec and Finished
	goodbye []byte // our close_notify, sealed by the library with a record number that nothing else was sent under
	key     [suiteKey]byte
	iv      [suiteIV]byte

	// atomic
	repeated atomic.Int64 // when the flight was sent again, unix ns
}

// farewell tells whether a datagram holds an authentic alert of the client
// that ends the connection. All else is ignored, so that a replayed alert
// changes nothing: an ending one has ended the session the first time. It
// costs about as much as a packet of media, which anybody could send instead.
func (s *settled) farewell(b []byte) bool {
	for range maxRecords {
		if len(b) < recordHeader {
			return false
		}
		end := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
		if end > len(b) {
			return false
		}
		if isSealedAlert(b) && s.ends(b[:end]) {
			return true
		}
		b = b[end:]
	}
	return false
}

// ends opens an alert (RFC 5288 section 3, RFC 6347 section 4.1.2.1).
func (s *settled) ends(record []byte) bool {
	const alertSize, fatal, closeNotify = 2, 2, 0
	if len(record) != recordHeader+explicitNonce+alertSize+suiteTag {
		return false
	}
	block, err := aes.NewCipher(s.key[:])
	if err != nil {
		return false
	}
	open, err := cipher.NewGCM(block)
	if err != nil {
		return false
	}
	sealed := record[recordHeader:]
	var nonce [suiteIV + explicitNonce]byte
	copy(nonce[:], s.iv[:])
	copy(nonce[suiteIV:], sealed)
	var header [recordHeader]byte // with the number first
	copy(header[:], record[3:11])
	copy(header[8:], record[:3])
	header[12] = alertSize
	alert, err := open.Open(nil, nonce[:], sealed[explicitNonce:], header[:])
	return err == nil && (alert[0] == fatal || alert[1] == closeNotify)
}

// repeats tells whether our last flight is to be sent again: the client
// repeats its own as long as it has not got ours. It is smaller than a packet
// of media, so that nobody is flooded by it.
func (s *settled) repeats(b []byte, now time.Time) bool {
	if len(b) == 0 || b[0] != changeCipherSpec && b[0] != handshakeRecord {
		return false
	}
	last := s.repeated.Load()
	return now.UnixNano()-last >= int64(repeatEvery) && s.repeated.CompareAndSwap(last, now.UnixNano())
}

// secrets catches what the keys of a connection are made of. The library
// tells the master secret to a key log only; this one is never written down.
type secrets struct {
	server, client [handshake.RandomLength]byte
	master         []byte
}

// Write takes a line of the key log: CLIENT_RANDOM, the random bytes, the
// master secret.
func (s *secrets) Write(line []byte) (int, error) {
	var client []byte
	if _, err := fmt.Fscanf(bytes.NewReader(line), "CLIENT_RANDOM %x %x", &client, &s.master); err != nil {
		return 0, fmt.Errorf("key log: %w", err)
	}
	copy(s.client[:], client)
	return len(line), nil
}

// hello takes the server's random bytes.
func (s *secrets) hello(m handshake.MessageServerHello) handshake.Message {
	s.server = m.Random.MarshalFixed()
	return &m
}

// settle returns what is to be kept of a connection that the library has
// closed; p was muted before.
func (s *secrets) settle(p *pipe) (*settled, error) {
	flight, goodbye := p.kept()
	keys, err := prf.GenerateEncryptionKeys(s.master, s.client[:], s.server[:], 0, suiteKey, suiteIV, sha256.New)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFailed, err)
	}
	kept := &settled{flight: flight, goodbye: goodbye}
	copy(kept.key[:], keys.ClientWriteKey)
	copy(kept.iv[:], keys.ClientWriteIV)
	return kept, nil
}
