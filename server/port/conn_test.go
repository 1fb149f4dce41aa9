package port

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// halves is a connection that sends the second half of what is written only when
// told to.
type halves struct {
	net.Conn
	more chan struct{} // nil: all at once
}

func (h *halves) Write(b []byte) (int, error) {
	if h.more == nil {
		return h.Conn.Write(b)
	}
	n, err := h.Conn.Write(b[:len(b)/2])
	if err != nil {
		return n, err
	}
	<-h.more
	k, err := h.Conn.Write(b[n:])
	return n + k, err
}

// Who waits between reads misses nothing, wherever a message, or a record of TLS,
// is cut.
func TestWait(t *testing.T) {
	t.Parallel()
	p, cfg := openTLS(t, defaultTimes())
	for name, dress := range map[string]func(net.Conn) net.Conn{
		"plain": func(c net.Conn) net.Conn { return c },
		"TLS":   func(c net.Conn) net.Conn { return tls.Client(c, cfg) },
	} {
		below := &halves{Conn: connect(t, p)}
		client := dress(below)
		message := stunMessage(0x0003)
		_, err := client.Write(message)
		require.NoError(t, err)
		server, err := p.TURNStreams().Accept()
		require.NoError(t, err)
		var got []byte
		read := func() { // all there is
			b := make([]byte, 7)
			for {
				require.NoError(t, server.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
				n, err := server.Read(b)
				got = append(got, b[:n]...)
				if err != nil {
					require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
					require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
					return
				}
			}
		}
		wait := server.(interface{ Wait() error }).Wait
		for len(got) < len(message) {
			read()
		}
		below.more = make(chan struct{})
		for range 3 {
			require.Equal(t, message, got, name)
			got = nil
			written := make(chan error, 1)
			go func() {
				_, err := client.Write(message)
				written <- err
			}()
			require.NoError(t, wait())
			require.NoError(t, wait(), "it still is there")
			read()
			require.Less(t, len(got), len(message))
			below.more <- struct{}{}
			require.NoError(t, <-written)
			for len(got) < len(message) {
				require.NoError(t, wait())
				read()
			}
		}
		require.Equal(t, message, got, name)
		require.NoError(t, server.SetReadDeadline(time.Unix(1, 0)))
		require.ErrorIs(t, wait(), os.ErrDeadlineExceeded)
		require.NoError(t, server.SetReadDeadline(time.Now().Add(patience)))
		require.NoError(t, below.Close())
		if err = wait(); err == nil {
			_, err = server.Read(make([]byte, 1))
		}
		require.ErrorIs(t, err, io.EOF, name)
		require.NoError(t, server.Close())
	}
}
