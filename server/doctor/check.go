package doctor

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// Errors of an exchange.
var (
	errForeign = errors.New("something else answers")
	errRefused = errors.New("the server refuses")
)

// firstRepeat is the wait before a datagram without an answer is sent again;
// it doubles each time (RFC 8489 section 6.2.1).
const firstRepeat = 250 * time.Millisecond

// exchange sends a message until wanted takes an answer, or until is reached.
// What else comes is passed over: a way may be late with older answers.
func exchange(w wire, b []byte, until time.Time, wanted func(b []byte) (bool, error)) error {
	buf := make([]byte, maxDatagram)
	repeat := firstRepeat
	for {
		if _, err := w.Write(b); err != nil {
			return err
		}
		stop := until
		if next := time.Now().Add(repeat); w.lossy() && next.Before(until) {
			stop, repeat = next, 2*repeat
		}
		err := receive(w, buf, stop, wanted)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) || stop.Equal(until) {
			return err
		}
	}
}

// receive reads until wanted takes what came.
func receive(w wire, buf []byte, until time.Time, wanted func(b []byte) (bool, error)) error {
	if err := w.SetReadDeadline(until); err != nil {
		return err
	}
	for {
		n, err := w.Read(buf)
		if err != nil {
			return err
		}
		if ok, err := wanted(buf[:n]); ok || err != nil {
			return err
		}
	}
}

// check sends a connectivity check (RFC 8445 section 7.2.2) and waits for the
// answer of a peer who knows the password.
func check(w wire, p *peer, until time.Time) error {
	key := stun.NewShortTermIntegrity(p.password)
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(p.ufrag+":doctor"),
		stun.RawAttribute{Type: stun.AttrPriority, Value: []byte{110, 255, 255, 255}},
		stun.RawAttribute{Type: stun.AttrICEControlling, Value: binary.BigEndian.AppendUint64(nil, rand.Uint64())}, key, stun.Fingerprint)
	if err != nil {
		return err
	}
	return exchange(w, m.Raw, until, func(b []byte) (bool, error) {
		answer := &stun.Message{Raw: append([]byte(nil), b...)}
		if answer.Decode() != nil || answer.TransactionID != m.TransactionID {
			return false, nil
		}
		if answer.Type != stun.BindingSuccess || key.Check(answer) != nil {
			return false, errForeign
		}
		return true, nil
	})
}
