package turn

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/pion/stun/v4"
)

// lifeSpan is the life of an allocation without a refresh, whatever the client
// asks for: the least that RFC 8656 section 7.2 has, and our most.
const lifeSpan = 10 * time.Minute

// protocolUDP is the only transport we relay, as in REQUESTED-TRANSPORT.
const protocolUDP = 17

// familyOf is the family of an address as STUN writes it.
func familyOf(a netip.Addr) byte {
	if a.Is4() {
		return 1
	}
	return 2
}

// gate stands between a client and the library: what it lets through is well
// formed, within the limits, and, if it is a request, authentic, or else bare
// of everything, so that the library asks for a credential.
type gate struct {
	server *Server
	client client
	reply  func(b []byte) // to the client
	hold   hold
}

// admit looks at one message of the client. It returns what the library is to
// see of it, or nil. ChannelData does not come here: see takeChannelData. When
// the library is done with the message, or when there is none, hold is to be
// released.
func (g *gate) admit(b []byte) []byte {
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		g.server.count.malformed.Inc()
		return nil
	}
	if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil {
		g.server.count.malformed.Inc() // of another protocol, or damaged
		return nil
	}
	switch {
	case m.Type == stun.NewType(stun.MethodSend, stun.ClassIndication):
		return g.send(m)
	case m.Type.Class == stun.ClassRequest:
		return g.request(m)
	}
	g.server.count.malformed.Inc()
	return nil
}

// send looks at a Send indication, which nobody signs: the library would fall
// over a peer address that is too short (CVE-2026-54909), whoever sent it.
func (g *gate) send(m *stun.Message) []byte {
	if _, ok := g.server.allocations.owner(g.client); !ok {
		return nil
	}
	to, err := peerOf(m)
	if err != nil {
		g.server.count.malformed.Inc()
		return nil
	}
	if !g.allowed(to, true) {
		g.server.count.foreign.Inc()
		return nil
	}
	return m.Raw
}

// peerOf returns the first XOR-PEER-ADDRESS of a message, as IPv4 where it is
// IPv4 in IPv6.
func peerOf(m *stun.Message) (netip.AddrPort, error) {
	var x stun.XORMappedAddress
	if err := x.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
		return netip.AddrPort{}, err
	}
	wire, _ := netip.AddrFromSlice(x.IP)
	return netip.AddrPortFrom(wire.Unmap(), uint16(x.Port)), nil
}

// request looks at a request. Clients we do not know may ask for a credential,
// and over TCP for their address.
func (g *gate) request(m *stun.Message) []byte {
	s := g.server
	if !s.limits.request(g.client.addr.Addr()) {
		s.count.limited.Inc()
		return nil
	}
	switch m.Type.Method {
	case stun.MethodAllocate, stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind:
	case stun.MethodBinding:
		if strange := notUnderstood(m); strange != nil {
			g.refuse(m, stun.CodeUnknownAttribute, strange)
			return nil
		}
		return bare(m)
	default:
		s.count.malformed.Inc()
		return nil
	}
	var username stun.Username
	var realm stun.Realm
	if username.GetFrom(m) != nil || realm.GetFrom(m) != nil || realm.String() != s.cfg.Realm {
		return g.unknown(m)
	}
	key, ok := s.key(g.client, username.String())
	if !ok || key.Check(m) != nil {
		return g.unknown(m)
	}
	if strange := notUnderstood(m); strange != nil {
		g.refuse(m, stun.CodeUnknownAttribute, strange, key)
		return nil
	}
	if code := g.judge(m, username.String()); code != 0 {
		g.refuse(m, code, key)
		return nil
	}
	if m.Type.Method != stun.MethodAllocate && !g.hold.take(s.allocations.relayed(g.client), m.Type.Method) {
		g.refuse(m, stun.CodeAllocMismatch, key) // it ends this moment
		return nil
	}
	return rebuild(m, key)
}

// notUnderstood lists the attributes of a request that must be understood and
// are not (RFC 8489 section 6.3.1). We do not know of DONT-FRAGMENT, since
// nothing we relay is ever fragmented.
func notUnderstood(m *stun.Message) stun.UnknownAttributes {
	var strange stun.UnknownAttributes
	for _, a := range m.Attributes {
		switch a.Type {
		case stun.AttrMessageIntegrity:
			return strange // what follows is ignored
		case stun.AttrUsername, stun.AttrRealm, stun.AttrNonce, stun.AttrMessageIntegritySHA256,
			stun.AttrPasswordAlgorithm, stun.AttrUserhash, stun.AttrMappedAddress, stun.AttrXORMappedAddress,
			stun.AttrErrorCode, stun.AttrUnknownAttributes, stun.AttrPriority, stun.AttrUseCandidate,
			stun.AttrChannelNumber, stun.AttrLifetime, stun.AttrXORPeerAddress, stun.AttrXORRelayedAddress, stun.AttrData,
			stun.AttrRequestedAddressFamily, stun.AttrEvenPort, stun.AttrRequestedTransport, stun.AttrReservationToken:
		default:
			if a.Type.Required() {
				strange = append(strange, a.Type)
			}
		}
	}
	return strange
}

// unknown lets a request without a valid credential through as one without
// any, to which the library answers 401 with a nonce.
func (g *gate) unknown(m *stun.Message) []byte {
	if !g.server.limits.unknown(g.client.addr.Addr()) {
		g.server.count.limited.Inc()
		return nil
	}
	g.server.count.unauthorized.Inc()
	if _, ok := g.server.allocations.owner(g.client); !ok && m.Type.Method == stun.MethodCreatePermission ||
		!ok && m.Type.Method == stun.MethodChannelBind {
		return nil // the library says nothing to these without an allocation
	}
	return bare(m)
}

// judge returns the error code that an authentic request gets, or 0.
func (g *gate) judge(m *stun.Message, username string) stun.ErrorCode {
	if m.Type.Method == stun.MethodAllocate {
		return g.judgeAllocate(m)
	}
	owner, ok := g.server.allocations.owner(g.client)
	switch {
	case !ok:
		return stun.CodeAllocMismatch
	case owner != username:
		return stun.CodeWrongCredentials
	case m.Type.Method == stun.MethodRefresh:
		return 0
	}
	code := g.judgePeers(m)
	if code == 0 && m.Type.Method == stun.MethodChannelBind && !namesChannel(m) {
		return stun.CodeBadRequest
	}
	return code
}

// judgeAllocate checks what an Allocate asks for (RFC 8656 section 7.2).
func (g *gate) judgeAllocate(m *stun.Message) stun.ErrorCode {
	transport, err := m.Get(stun.AttrRequestedTransport)
	if err != nil || len(transport) != 4 {
		return stun.CodeBadRequest
	}
	if transport[0] != protocolUDP { // no TCP allocations, RFC 6062
		return stun.CodeUnsupportedTransProto
	}
	family, err := m.Get(stun.AttrRequestedAddressFamily)
	if err == nil && (len(family) != 4 || family[0] != g.server.family) {
		return stun.CodeAddrFamilyNotSupported
	}
	even, err := m.Get(stun.AttrEvenPort)
	switch {
	case err == nil && (len(even) != 1 || m.Contains(stun.AttrReservationToken)):
		return stun.CodeBadRequest
	case err == nil && even[0]&0x80 != 0, m.Contains(stun.AttrReservationToken):
		return stun.CodeInsufficientCapacity // pairs of ports are for RTP without multiplexing
	}
	return 0
}

// relayedFamily is the family of the relayed addresses: IPv4, if there is a
// peer of it. It stays when other peers come.
func relayedFamily(peers []netip.AddrPort) byte {
	for _, p := range peers {
		if p.Addr().Is4() {
			return 1
		}
	}
	return 2
}

// namesChannel says whether a request has a number that a channel may have
// (RFC 8656 section 12); RFC 5766 gave more to them.
func namesChannel(m *stun.Message) bool {
	number, err := m.Get(stun.AttrChannelNumber)
	return err == nil && len(number) == 4 && number[0]&0xf0 == 0x40
}

// judgePeers checks that every peer of a request is one of ours. A permission
// is for an address without its port, a channel for both.
func (g *gate) judgePeers(m *stun.Message) stun.ErrorCode {
	code, found := stun.ErrorCode(0), 0
	err := m.ForEach(stun.AttrXORPeerAddress, func(m *stun.Message) error {
		peer, err := peerOf(m)
		if err != nil {
			return err
		}
		found++
		if !g.allowed(peer, m.Type.Method == stun.MethodChannelBind) && code == 0 {
			code = stun.CodeForbidden
			if familyOf(peer.Addr()) != g.server.family {
				code = stun.CodePeerAddrFamilyMismatch
			}
			g.server.count.forbidden.Inc()
		}
		return nil
	})
	if err != nil || found == 0 {
		return stun.CodeBadRequest
	}
	return code
}

// allowed says whether a peer is one of ours that a relayed address reaches.
func (g *gate) allowed(peer netip.AddrPort, withPort bool) bool {
	return familyOf(peer.Addr()) == g.server.family && slices.ContainsFunc(g.server.cfg.Peers(), func(p netip.AddrPort) bool {
		return p.Addr() == peer.Addr() && (!withPort || p.Port() == peer.Port())
	})
}

// refuse answers a request with an error; with is what that has beside its
// code, of which the last is the key of an authentic one.
func (g *gate) refuse(m *stun.Message, code stun.ErrorCode, with ...stun.Setter) {
	g.server.count.refused.Inc()
	answer, err := stun.Build(slices.Concat([]stun.Setter{
		stun.NewTransactionIDSetter(m.TransactionID), stun.NewType(m.Type.Method, stun.ClassErrorResponse), code,
	}, with, []stun.Setter{stun.Fingerprint})...)
	if err == nil {
		g.reply(answer.Raw)
	}
}

// bare keeps only the header of a request.
func bare(m *stun.Message) []byte {
	b := make([]byte, 20)
	copy(b, m.Raw[:20])
	binary.BigEndian.PutUint16(b[2:], 0)
	return b
}

// rebuild signs an authentic request anew: without what follows its integrity
// and may be forged, and with a lifetime we can keep.
func rebuild(m *stun.Message, key stun.MessageIntegrity) []byte {
	clean := &stun.Message{Type: m.Type, TransactionID: m.TransactionID}
	clean.WriteHeader()
	for _, a := range m.Attributes {
		if a.Type == stun.AttrMessageIntegrity {
			break
		}
		if a.Type == stun.AttrEvenPort {
			continue // all are; the library would try until it finds one
		}
		value := a.Value
		if a.Type == stun.AttrLifetime && len(value) == 4 && binary.BigEndian.Uint32(value) != 0 {
			value = binary.BigEndian.AppendUint32(nil, uint32(lifeSpan/time.Second))
		}
		clean.Add(a.Type, value)
	}
	if key.AddTo(clean) != nil {
		return nil
	}
	return clean.Raw
}
