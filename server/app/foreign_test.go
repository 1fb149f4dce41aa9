package app_test

import (
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A TURN client we did not write, within TLS: it allocates and refreshes, and is
// refused the peer beside ours that it always tries.
func TestTurnutilsWithinTLS(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Skip("turnutils_uclient is not installed (Debian: coturn)")
	}
	l, address := encrypted(t)
	c := l.turn(t, "turns:")
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	out, err := exec.CommandContext(t.Context(), program, "-v", "-S", "-t", "-c", "-n", "1", "-m", "1",
		"-u", c.Username, "-w", c.Credential.(string), "-p", port, "-e", "127.0.0.1", "-r", port, "127.0.0.1").CombinedOutput()
	require.Error(t, err, "refused")
	for _, step := range []string{"Received relay addr: 127.0.0.1:", "refresh response received", "channel bind: error 403"} {
		require.Contains(t, string(out), step)
	}
}

// What a connection began with is all that it speaks: a proxy or a firewall
// that has let the one through has not let the other through too.
func TestNothingIsSmuggled(t *testing.T) {
	t.Parallel()
	_, address := encrypted(t)
	binding, err := hex.DecodeString("000100002112a442" + strings.Repeat("01", 12))
	require.NoError(t, err)
	request := "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, c := range map[string]struct{ sent, want, never string }{
		"HTTP after TURN": {string(binding) + request, "\x01\x01", "HTTP/"},
		"TURN after HTTP": {request + string(binding) + "\r\n\r\n", "HTTP/1.1 400", "\x01\x01\x00"},
		"RTSP after HTTP": {request + "OPTIONS rtsp://x/y RTSP/1.0\r\nCSeq: 1\r\n\r\n", "HTTP/1.1 400", "RTSP/1.0 200"},
		"RTMP after TURN": {string(binding) + "\x03" + strings.Repeat("\x00", 1536), "\x01\x01", "\x03\x00"},
	} {
		for _, secure := range []bool{false, true} {
			conn, err := net.Dial("tcp", address)
			require.NoError(t, err)
			if secure {
				conn = tls.Client(conn, &tls.Config{ServerName: "127.0.0.1"})
			}
			require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
			_, err = conn.Write([]byte(c.sent))
			require.NoError(t, err)
			got, _ := io.ReadAll(conn) // until it is closed, or reset because of what lies unread
			require.Contains(t, string(got), c.want, name)
			require.NotContains(t, string(got), c.never, name)
			_ = conn.Close() // which may have been reset
		}
	}
}
