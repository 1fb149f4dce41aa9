package handshake

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var errGone = errors.New("gone")

// record builds a record of DTLS 1.2.
func record(kind byte, epoch uint16, seq uint64, body []byte) []byte {
	b := make([]byte, recordHeader, recordHeader+len(body))
	b[0], b[1], b[2] = kind, 0xfe, 0xfd
	binary.BigEndian.PutUint64(b[3:], uint64(epoch)<<48|seq)
	binary.BigEndian.PutUint16(b[11:], uint16(len(body)))
	return append(b, body...)
}

// sealed is an alert as the client of s would send it.
func sealed(t testing.TB, s *settled, seq uint64, alert ...byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(s.key[:])
	require.NoError(t, err)
	seal, err := cipher.NewGCM(block)
	require.NoError(t, err)
	header := record(alertRecord, 1, seq, nil)
	explicit := []byte("explicit")
	data := append(append([]byte(nil), header[3:11]...), header[0], header[1], header[2], 0, byte(len(alert)))
	body := seal.Seal(append([]byte(nil), explicit...), append(append([]byte(nil), s.iv[:]...), explicit...), alert, data)
	return record(alertRecord, 1, seq, body)
}

func TestFarewell(t *testing.T) {
	t.Parallel()
	s := &settled{key: [suiteKey]byte{1}, iv: [suiteIV]byte{2}}
	bye := sealed(t, s, 7, 1, 0)
	changed := func(i int) []byte {
		b := bytes.Clone(bye)
		b[i] ^= 1
		return b
	}
	other := &settled{key: [suiteKey]byte{3}, iv: s.iv}
	for name, c := range map[string]struct {
		datagram []byte
		ends     bool
	}{
		"close_notify":           {bye, true},
		"a fatal alert":          {sealed(t, s, 8, 2, 80), true},
		"after another record":   {append(record(changeCipherSpec, 0, 9, []byte{1}), bye...), true},
		"a warning":              {sealed(t, s, 9, 1, 100), false},
		"of another connection":  {sealed(t, other, 7, 1, 0), false},
		"under another number":   {changed(10), false},
		"with another nonce":     {changed(recordHeader), false},
		"changed":                {changed(recordHeader + explicitNonce), false},
		"with another tag":       {changed(len(bye) - 1), false},
		"of another version":     {changed(2), false},
		"without encryption":     {record(alertRecord, 0, 7, []byte{1, 0}), false},
		"without, in epoch 1":    {record(alertRecord, 1, 7, []byte{1, 0}), false},
		"cut":                    {bye[:len(bye)-1], false},
		"of three bytes":         {sealed(t, s, 9, 1, 0, 0), false},
		"longer than it is":      {changed(12), false},
		"data":                   {record(23, 1, 7, bye[recordHeader:]), false},
		"behind too many others": {append(bytes.Repeat(record(changeCipherSpec, 0, 9, nil), maxRecords), bye...), false},
		"a header":               {bye[:recordHeader], false},
		"one byte":               {bye[:1], false},
		"an empty record":        {record(alertRecord, 1, 7, nil), false},
	} {
		require.Equal(t, c.ends, s.farewell(c.datagram), name)
	}
}

func FuzzFarewell(f *testing.F) {
	s := &settled{key: [suiteKey]byte{1}, iv: [suiteIV]byte{2}}
	f.Fuzz(func(t *testing.T, b []byte) {
		require.False(t, s.farewell(b), "nobody knows the key")
		isHello(b)
		if len(b) > 0 {
			s.repeats(b, time.Unix(1, 0))
		}
		require.Equal(t, isSealedAlert(b), len(b) > 13 && b[0] == 21 && b[3] == 0 && b[4] == 1)
	})
}

func TestRepeatsAreFew(t *testing.T) {
	t.Parallel()
	s := &settled{}
	now := time.Unix(1000, 0)
	finished := record(handshakeRecord, 1, 0, make([]byte, 40))
	n := 0
	for range 1000 {
		if s.repeats(finished, now) {
			n++
		}
		now = now.Add(time.Millisecond)
	}
	require.Equal(t, 20, n)
	require.False(t, s.repeats(record(alertRecord, 1, 0, nil), now.Add(time.Hour)))
	require.True(t, s.repeats(record(changeCipherSpec, 0, 0, nil), now.Add(time.Hour)))
}

// Nothing runs for a session that has connected. It does not run beside other
// tests, whose goroutines would be counted.
func TestConnectedSessionsHaveNoGoroutines(t *testing.T) {
	s := newStage(t)
	s.connect(t).away()
	before := runtime.NumGoroutine()
	for range 50 {
		s.connect(t).away()
	}
	const own = 1 // Eventually looks from one
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+own }, 10*time.Second, time.Millisecond, "goroutines")
}

func TestLostFinishedIsSentAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.peer(t)
	lost := 0
	p.wire.losing(func(inbound bool, b []byte) bool {
		if !inbound || b[0] != changeCipherSpec || lost == 3 {
			return false
		}
		lost++
		return true
	})
	require.NoError(t, p.shake(t.Context()))
	require.Equal(t, 3, lost)
	p.settled()
	p.session.Close(errGone)
	_, err := p.conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, io.EOF)
}

func TestServerSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.connect(t)
	p.session.Close(errGone)
	p.session.Close(errGone)
	_, err := p.conn.Read(make([]byte, 10))
	require.ErrorIs(t, err, io.EOF)
	numbers := map[uint64]bool{}
	for _, b := range p.wire.heard {
		for len(b) >= recordHeader {
			number := binary.BigEndian.Uint64(b[3:])
			require.False(t, numbers[number], "a record number was used twice")
			numbers[number] = true
			b = b[recordHeader+int(binary.BigEndian.Uint16(b[11:])):]
		}
	}
	require.True(t, numbers[1<<48], "Finished")
	require.True(t, numbers[1<<48|1], "close_notify")
}

func TestClientSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	p := s.connect(t)
	require.NoError(t, p.conn.Close())
	require.ErrorIs(t, p.ended(), ErrHungUp)
}

// A client may say goodbye before the server has put DTLS away.
func TestClientSaysGoodbyeAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for range 20 {
		p := s.peer(t)
		require.NoError(t, p.shake(t.Context()))
		require.NoError(t, p.conn.Close())
		require.ErrorIs(t, p.ended(), ErrHungUp)
	}
}

func TestForgedGoodbyes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	other := s.connect(t)
	require.NoError(t, other.conn.Close())
	require.ErrorIs(t, other.ended(), ErrHungUp)
	p := s.connect(t)
	bye := other.wire.sent[len(other.wire.sent)-1]
	require.True(t, isSealedAlert(bye))
	forged := [][]byte{
		bye, bye, record(alertRecord, 0, 100, []byte{1, 0}), record(alertRecord, 0, 101, []byte{2, 40}),
		record(alertRecord, 1, 1<<47, bytes.Repeat([]byte{1}, 26)), record(alertRecord, 1, 5, nil), {21}, {21, 0xfe}, {63, 1, 2},
	}
	for _, b := range p.wire.sent { // its own records under another name
		b = bytes.Clone(b)
		for rest := b; len(rest) >= recordHeader; rest = rest[recordHeader+int(binary.BigEndian.Uint16(rest[11:])):] {
			rest[0] = alertRecord
		}
		forged = append(forged, b)
	}
	for range 20 {
		p.wire.raw(t, forged...)
	}
	p.wire.raw(t, sealed(t, p.session.dtls.settled, 9, 1, 90)) // authentic, and no end
	require.Never(t, func() bool { return p.session.ended() != nil }, 50*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, p.conn.Close())
	require.ErrorIs(t, p.ended(), ErrHungUp, "the true one is understood after all that")
}

// A session that ends while hands are shaken leaves nothing behind, and a
// client that got through is told.
func TestSessionEndsDuringTheHandshake(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i := range 20 {
		p := s.peer(t)
		p.wire.losing(func(bool, []byte) bool {
			if len(p.wire.heard)+len(p.wire.sent) == 2+i%4 {
				go p.session.Close(errGone)
			}
			return false
		})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if p.shake(ctx) == nil {
			go p.session.Close(errGone)
			_, err := p.conn.Read(make([]byte, 10))
			require.ErrorIs(t, err, io.EOF)
		}
		cancel()
		p.session.Close(errGone)
		require.ErrorIs(t, p.ended(), errGone)
	}
	require.Eventually(t, func() bool {
		running, waiting, near := s.desk.counts()
		return running+waiting+near == 0
	}, 10*time.Second, time.Millisecond)
}
