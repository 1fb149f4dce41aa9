package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/pion/stun/v4"
)

// udpTransport is what an allocation asks for: relayed UDP (RFC 8656 section 18.7).
func udpTransport() stun.Setter {
	return stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
}

// allocation is a relayed address at a TURN server, towards one peer (RFC
// 8656). It is a wire to that peer: what is written goes into Send
// indications, what is read comes out of Data indications.
type allocation struct {
	wire
	server turnServer
	peer   stun.XORMappedAddress

	realm stun.Realm
	nonce stun.Nonce
}

// allocate asks the server behind w for a relayed address and the permission to
// reach peer from it.
func allocate(w wire, s turnServer, to netip.AddrPort, until time.Time) (*allocation, error) {
	a := &allocation{wire: w, server: s, peer: stun.XORMappedAddress{IP: to.Addr().AsSlice(), Port: int(to.Port())}}
	answer, err := a.request(stun.MethodAllocate, until, udpTransport())
	if err != nil {
		return nil, err
	}
	if answer.Type.Class == stun.ClassErrorResponse { // it first tells who it is
		if a.realm.GetFrom(answer) != nil || a.nonce.GetFrom(answer) != nil {
			return nil, refusal(answer)
		}
		if answer, err = a.request(stun.MethodAllocate, until, udpTransport(), a.login()); err != nil {
			return nil, err
		}
	}
	if answer.Type.Class != stun.ClassSuccessResponse {
		return nil, refusal(answer)
	}
	answer, err = a.request(stun.MethodCreatePermission, until, a.towards(), a.login())
	if err == nil && answer.Type.Class != stun.ClassSuccessResponse {
		err = refusal(answer)
	}
	return a, err
}

// request sends a request and returns the answer, whichever it is.
func (a *allocation) request(method stun.Method, until time.Time, setters ...stun.Setter) (*stun.Message, error) {
	all := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, setters...)
	m, err := stun.Build(append(all, stun.Fingerprint)...)
	if err != nil {
		return nil, err
	}
	answer := &stun.Message{}
	err = exchange(a.wire, m.Raw, until, func(b []byte) (bool, error) {
		answer.Raw = append([]byte(nil), b...)
		return answer.Decode() == nil && answer.TransactionID == m.TransactionID, nil
	})
	return answer, err
}

// login signs a request with the long-term credentials.
func (a *allocation) login() stun.Setter { return (*signature)(a) }

// signature adds the attributes of one who knows the password (RFC 8489
// section 9.2.4).
type signature allocation

// AddTo implements stun.Setter.
func (s *signature) AddTo(m *stun.Message) error {
	for _, set := range []stun.Setter{
		stun.NewUsername(s.server.username), s.realm, s.nonce,
		stun.NewLongTermIntegrity(s.server.username, s.realm.String(), s.server.password),
	} {
		if err := set.AddTo(m); err != nil {
			return err
		}
	}
	return nil
}

// towards adds the peer's address.
func (a *allocation) towards() stun.Setter { return (*target)(a) }

// target adds XOR-PEER-ADDRESS.
type target allocation

// AddTo implements stun.Setter.
func (t *target) AddTo(m *stun.Message) error { return t.peer.AddToAs(m, stun.AttrXORPeerAddress) }

// Write sends a datagram to the peer.
func (a *allocation) Write(b []byte) (int, error) {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), a.towards(),
		stun.RawAttribute{Type: stun.AttrData, Value: b}, stun.Fingerprint)
	if err != nil {
		return 0, err
	}
	if _, err := a.wire.Write(m.Raw); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read reads a datagram of the peer.
func (a *allocation) Read(b []byte) (int, error) {
	buf := make([]byte, maxDatagram)
	for {
		n, err := a.wire.Read(buf)
		if err != nil {
			return 0, err
		}
		m := &stun.Message{Raw: buf[:n]}
		if m.Decode() != nil || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
			continue
		}
		if data, err := m.Get(stun.AttrData); err == nil {
			return copy(b, data), nil
		}
	}
}

// lossy is true: behind the relay are datagrams.
func (a *allocation) lossy() bool { return true }

// end gives the relayed address back. Nobody waits for the answer: it ends by
// itself too.
func (a *allocation) end() {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}, a.login(), stun.Fingerprint)
	if err == nil {
		_, _ = a.wire.Write(m.Raw)
	}
}

// refusal makes an error of an error response.
func refusal(m *stun.Message) error {
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return errForeign
	}
	return fmt.Errorf("%w: %d %s", errRefused, code.Code, code.Reason)
}

// reachable is where a TURN server is tried: at the address of the host which
// was examined, where it is the same.
func (e *examination) reachable(s turnServer) string {
	if s.host == e.url.Hostname() {
		return net.JoinHostPort(e.through.Addr().String(), s.port)
	}
	return net.JoinHostPort(s.host, s.port)
}
