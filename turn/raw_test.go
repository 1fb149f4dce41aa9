package turn

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// raw is a client that sends what no library would.
type raw struct {
	t              testing.TB
	conn           net.Conn
	user, password string
	realm          stun.Realm
	nonce          stun.Nonce
}

// rawDial opens a client; network is udp, tcp or tls.
func (h *house) rawDial(t testing.TB, network, user, password string) *raw {
	t.Helper()
	dial := func() (net.Conn, error) { return net.Dial(network, h.addr.String()) }
	if network == "tls" {
		dial = func() (net.Conn, error) {
			return tls.Dial("tcp", h.addr.String(), &tls.Config{InsecureSkipVerify: true}) // whose certificate it is, is tested elsewhere
		}
	}
	c, err := dial()
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return &raw{t: t, conn: c, user: user, password: password}
}

// read returns the next message.
func (r *raw) read() *stun.Message {
	r.t.Helper()
	b := make([]byte, 2048)
	n, err := r.conn.Read(b)
	require.NoError(r.t, err)
	m := &stun.Message{Raw: b[:n]}
	require.NoError(r.t, m.Decode())
	return m
}

// write sends a request as it is.
func (r *raw) write(setters ...stun.Setter) *stun.Message {
	r.t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID}, setters...)...)
	require.NoError(r.t, err)
	_, err = r.conn.Write(m.Raw)
	require.NoError(r.t, err)
	return m
}

// bare sends a request without a credential and keeps the nonce of its answer.
func (r *raw) bare(method stun.Method) *stun.Message {
	r.t.Helper()
	r.write(stun.NewType(method, stun.ClassRequest), transport(protocolUDP))
	m := r.read()
	_ = r.nonce.GetFrom(m)
	_ = r.realm.GetFrom(m)
	return m
}

// signed sends a request with the credential and returns the answer.
func (r *raw) signed(method stun.Method, setters ...stun.Setter) *stun.Message {
	r.t.Helper()
	if r.nonce == nil {
		require.Equal(r.t, stun.CodeUnauthorized, code(r.t, r.bare(stun.MethodAllocate)))
	}
	key := stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password)
	all := append([]stun.Setter{stun.NewType(method, stun.ClassRequest)}, setters...)
	all = append(all, stun.NewUsername(r.user), r.realm, r.nonce, key, stun.Fingerprint)
	sent := r.write(all...)
	m := r.read()
	require.Equal(r.t, sent.TransactionID, m.TransactionID)
	require.Equal(r.t, method, m.Type.Method)
	return m
}

// allocate makes an allocation and returns its relayed address.
func (r *raw) allocate(setters ...stun.Setter) netip.AddrPort {
	r.t.Helper()
	m := r.signed(stun.MethodAllocate, append([]stun.Setter{transport(protocolUDP)}, setters...)...)
	require.Equal(r.t, stun.ClassSuccessResponse, m.Type.Class, m.String())
	var x stun.XORMappedAddress
	require.NoError(r.t, x.GetFromAs(m, stun.AttrXORRelayedAddress))
	a, _ := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(a.Unmap(), uint16(x.Port))
}

// code returns the error code of an answer, 0 for a success.
func code(t testing.TB, m *stun.Message) stun.ErrorCode {
	t.Helper()
	if m.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var e stun.ErrorCodeAttribute
	require.NoError(t, e.GetFrom(m), m.String())
	return e.Code
}

// attr is an attribute given byte by byte.
type attr struct {
	kind  stun.AttrType
	value []byte
}

func (a attr) AddTo(m *stun.Message) error {
	m.Add(a.kind, a.value)
	return nil
}

func transport(protocol byte) stun.Setter {
	return attr{stun.AttrRequestedTransport, []byte{protocol, 0, 0, 0}}
}

func lifetime(seconds uint16) stun.Setter {
	return attr{stun.AttrLifetime, []byte{0, 0, byte(seconds >> 8), byte(seconds)}}
}

// peer is an XOR-PEER-ADDRESS; the family on the wire is that of the IP's
// length, so that IPv4 in IPv6 goes out as written.
type peer netip.AddrPort

func (p peer) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	ip := a.Addr().AsSlice()
	value := []byte{0, familyOf(a.Addr()), byte(a.Port()>>8) ^ 0x21, byte(a.Port()) ^ 0x12}
	mask := append([]byte{0x21, 0x12, 0xa4, 0x42}, m.TransactionID[:]...)
	for i, b := range ip {
		value = append(value, b^mask[i])
	}
	m.Add(stun.AttrXORPeerAddress, value)
	return nil
}

func channel(number uint16) stun.Setter {
	return attr{stun.AttrChannelNumber, []byte{byte(number >> 8), byte(number), 0, 0}}
}

// closed waits until the server has closed a connection.
func (r *raw) closed() {
	r.t.Helper()
	_, err := io.Copy(io.Discard, r.conn)
	require.False(r.t, errors.Is(err, os.ErrDeadlineExceeded), "still open")
}
