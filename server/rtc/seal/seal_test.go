package seal

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/stretchr/testify/require"
)

var profiles = map[string]srtp.ProtectionProfile{
	"AES-128-GCM":     srtp.ProtectionProfileAeadAes128Gcm,
	"AES-256-GCM":     srtp.ProtectionProfileAeadAes256Gcm,
	"AES-128-CM-SHA1": srtp.ProtectionProfileAes128CmHmacSha1_80,
}

func keysOf(t testing.TB, p srtp.ProtectionProfile) (key, salt []byte) {
	t.Helper()
	k, err := p.KeyLen()
	require.NoError(t, err)
	n, err := p.SaltLen()
	require.NoError(t, err)
	both := make([]byte, k+n)
	_, err = rand.Read(both)
	require.NoError(t, err)
	return both[:k], both[k:]
}

func packet(t testing.TB, seq uint16, ssrc uint32, extended bool, payload []byte) (whole []byte, header int) {
	t.Helper()
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: 7, SSRC: ssrc}, Payload: payload}
	if extended {
		require.NoError(t, p.SetExtension(3, []byte{1, 2}))
	}
	b, err := p.Marshal()
	require.NoError(t, err)
	return append(make([]byte, 0, 2048), b...), p.MarshalSize() - len(payload)
}

// What is sealed is byte for byte what the library makes of it, across two
// rollovers of the sequence number, and a receiver opens it.
func TestLikeTheLibrary(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, salt := keysOf(t, profile)
			s, err := New(profile, key, salt)
			require.NoError(t, err)
			theirs, err := srtp.CreateContext(key, salt, profile)
			require.NoError(t, err)
			receiver, err := srtp.CreateContext(key, salt, profile)
			require.NoError(t, err)
			for i := range 200 {
				index := uint64(65_500) + uint64(i)*997
				for _, ssrc := range []uint32{1, 0xfedcba98} {
					payload := bytes.Repeat([]byte{byte(i)}, 1+i*6)
					plain, header := packet(t, uint16(index), ssrc, i%2 == 0, payload)
					want, err := theirs.EncryptRTP(nil, plain, nil)
					require.NoError(t, err)
					sealed, err := s.RTP(plain[:header], header, payload, index)
					require.NoError(t, err)
					require.Equal(t, want, sealed)
					opened, err := receiver.DecryptRTP(nil, sealed, nil)
					require.NoError(t, err)
					require.Equal(t, payload, opened[header:])
				}
			}
		})
	}
}

func TestInPlace(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		key, salt := keysOf(t, profile)
		s, err := New(profile, key, salt)
		require.NoError(t, err)
		payload := []byte("picture")
		plain, header := packet(t, 9, 5, false, payload)
		sealed, err := s.RTP(plain, header, plain[header:], 9)
		require.NoError(t, err, name)
		receiver, err := srtp.CreateContext(key, salt, profile)
		require.NoError(t, err)
		opened, err := receiver.DecryptRTP(nil, sealed, nil)
		require.NoError(t, err)
		require.Equal(t, payload, opened[header:])
	}
}

func TestRTCP(t *testing.T) {
	t.Parallel()
	for name, profile := range profiles {
		key, salt := keysOf(t, profile)
		s, err := New(profile, key, salt)
		require.NoError(t, err)
		plain := append(make([]byte, 0, 64), 0x80, 201, 0, 1, 0, 0, 0, 9)
		want := bytes.Clone(plain)
		sealed, err := s.RTCP(plain)
		require.NoError(t, err, name)
		receiver, err := srtp.CreateContext(key, salt, profile)
		require.NoError(t, err)
		opened, err := receiver.DecryptRTCP(nil, sealed, nil)
		require.NoError(t, err)
		require.Equal(t, want, opened)
	}
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	_, err := New(srtp.ProtectionProfileAeadAes128Gcm, []byte{1}, []byte{2})
	require.Error(t, err)
}

func BenchmarkRTP(b *testing.B) {
	for name, profile := range profiles {
		b.Run(name, func(b *testing.B) {
			key, salt := keysOf(b, profile)
			s, err := New(profile, key, salt)
			require.NoError(b, err)
			payload := make([]byte, 1200)
			plain, header := packet(b, 0, 1, true, payload)
			index := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				plain[2], plain[3] = byte(index>>8), byte(index)
				if _, err := s.RTP(plain[:header], header, payload, index); err != nil {
					b.Fatal(err)
				}
				index++
			}
		})
	}
}
