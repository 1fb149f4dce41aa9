package turn

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// said is a connection on which a client has said something and left.
type said struct {
	net.Conn
	r interface{ Read([]byte) (int, error) }
}

func (c said) Read(b []byte) (int, error)       { return c.r.Read(b) }
func (c said) SetReadDeadline(time.Time) error  { return nil }
func (c said) SetWriteDeadline(time.Time) error { return nil }
func (c said) Write(b []byte) (int, error)      { return len(b), nil }
func (c said) Close() error                     { return nil }
func (c said) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 5000} }

// However a client's bytes are cut, the messages in them are the same, each is
// whole, and none is made up.
func FuzzStream(f *testing.F) {
	ours := netip.MustParseAddrPort("192.0.2.1:8080")
	s, err := New(Config{Packets: newWire(ours), Relay: new(memory), Peers: func() []netip.AddrPort { return []netip.AddrPort{ours} }})
	require.NoError(f, err)
	binding := stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw
	f.Add(append(bytes.Clone(binding), channelData(0x4000, []byte("\x80media"))...))
	f.Add([]byte("\x40\x00\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, one := messages(s, said{r: bytes.NewReader(b)}), messages(s, said{r: iotest.OneByteReader(bytes.NewReader(b))})
		if len(whole) != len(one) {
			t.Fatal(len(whole), len(one))
		}
		for i, m := range whole {
			if !bytes.Equal(m, one[i]) || !bytes.HasPrefix(b, m) || len(m) != frameSize(m) {
				t.Fatalf("%x, %x of %x", m, one[i], b)
			}
			b = b[len(m):]
		}
	})
}

// messages reads a connection to its end.
func messages(s *Server, c net.Conn) (all [][]byte) {
	st := s.admitStream(c, nil)
	defer func() { _ = st.Close() }()
	for {
		m, err := st.next(make([]byte, maxMessage))
		if err != nil {
			return all
		}
		all = append(all, bytes.Clone(m))
	}
}
