package port

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// derive is HKDF-Expand-Label without a context (RFC 8446 section 7.1).
func derive(t *testing.T, secret []byte, label string, size int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := string(binary.BigEndian.AppendUint16(nil, uint16(size))) + string(rune(len(label))) + label + "\x00"
	key, err := hkdf.Expand(sha256.New, secret, info, size)
	require.NoError(t, err)
	return key
}

// keyUpdate is the first record that a client sends after its handshake, by the
// secrets that package tls has logged: it wants the server to change keys and say
// so (RFC 8446 section 4.6.3).
func keyUpdate(t *testing.T, secrets string) []byte {
	t.Helper()
	_, hexed, ok := strings.Cut(secrets, "CLIENT_TRAFFIC_SECRET_0 ")
	require.True(t, ok)
	_, hexed, _ = strings.Cut(strings.TrimSpace(strings.SplitN(hexed, "\n", 2)[0]), " ")
	secret, err := hex.DecodeString(hexed)
	require.NoError(t, err)
	block, err := aes.NewCipher(derive(t, secret, "key", 16))
	require.NoError(t, err)
	aead, err := cipher.NewGCM(block)
	require.NoError(t, err)
	message := []byte{24, 0, 0, 1, 1, 22} // and that it is of the handshake
	header := []byte{23, 3, 3, 0, byte(len(message) + aead.Overhead())}
	return aead.Seal(header, derive(t, secret, "iv", 12), message, header)
}

// A client that has the server write while it reads, and takes nothing, holds up
// neither who reads nor, thereby, who closes.
func TestStuckInTLS(t *testing.T) {
	t.Parallel()
	cfg, _ := identity(t)
	cfg.SessionTicketsDisabled = true // which are written when nobody reads
	synctest.Test(t, func(t *testing.T) {
		c, s := net.Pipe()
		var secrets bytes.Buffer
		client := tls.Client(c, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13, KeyLogWriter: &secrets}) // whose certificate it is, is tested elsewhere
		server := tls.Server(&below{Conn: s}, cfg)
		agreed := make(chan error, 1)
		go func() { agreed <- server.Handshake() }()
		require.NoError(t, client.Handshake())
		require.NoError(t, <-agreed)
		if client.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			t.Skip("this machine prefers another cipher than the one that is written out here")
		}
		began := time.Now()
		require.NoError(t, server.SetReadDeadline(began.Add(time.Second)))
		ended := make(chan error, 1)
		go func() {
			_, err := server.Read(make([]byte, 1))
			ended <- err
		}()
		_, err := c.Write(keyUpdate(t, secrets.String()))
		require.NoError(t, err)
		require.Error(t, <-ended)
		require.Equal(t, stuckTime, time.Since(began))
		require.Error(t, server.Close(), "there is no farewell any more")
	})
}
