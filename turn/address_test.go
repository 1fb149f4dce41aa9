package turn

import (
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// A client is answered from the address it asked, on a machine with several.
func TestAnswersFromTheAddressAsked(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux says which address was asked, and has 127.0.0.2 without more ado")
	}
	for _, listen := range []string{":0", "0.0.0.0:0"} {
		h := openWith(t, listen, noLimits())
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)},
			&net.UDPAddr{IP: net.IPv4(127, 0, 0, 2), Port: int(h.port.Addr().Port())})
		require.NoError(t, err)
		defer func() { _ = c.Close() }()
		require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
		request := stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest))
		_, err = c.Write(request.Raw)
		require.NoError(t, err)
		b := make([]byte, 1500)
		n, err := c.Read(b) // hears only the address it asked
		require.NoError(t, err)
		answer := &stun.Message{Raw: b[:n]}
		require.NoError(t, answer.Decode())
		require.Equal(t, request.TransactionID, answer.TransactionID)
		require.Equal(t, stun.ClassErrorResponse, answer.Type.Class, "it gave no password")
	}
}
