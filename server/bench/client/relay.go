package client

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// Way is what a client speaks TURN over.
type Way string

// The ways to a TURN server.
const (
	UDP Way = "udp"
	TCP Way = "tcp"
	TLS Way = "tls"
)

// Relay is a TURN server, and how a client comes to it.
type Relay struct {
	Way                Way
	Host               string // name or address, without brackets
	Port               int
	Username, Password string
	// Loopback is the address to come from if the server is on the loopback;
	// not valid for any.
	Loopback netip.Addr
}

// Channels are bound to the server's addresses in the order of its answer (RFC
// 8656 section 12).
const (
	firstChannel  = 0x4000
	channelHeader = 4
)

// The times of requests to a TURN server.
const (
	requestAgain   = 250 * time.Millisecond // until it is sent again by UDP
	requestTimeout = 5 * time.Second
	// refreshEvery is well within the life of a permission, 5 min (RFC 8656
	// section 9).
	refreshEvery = 2 * time.Minute
)

// ErrRelay is wrapped by what goes wrong with a TURN server.
var ErrRelay = errors.New("no way through the TURN server")

// relay is a client's allocation on a TURN server.
type relay struct {
	// set by Through
	to Relay

	// set by open, before anything is sent
	link   link
	server netip.AddrPort
	peers  []netip.AddrPort // the server's media addresses, of channel firstChannel and up

	answers chan *stun.Message
	next    time.Time // of the next refresh; owned by the caller of refresh

	mu sync.Mutex
	// guarded by mu
	realm stun.Realm
	nonce stun.Nonce
	frame []byte // scratch of send
}

// NewRelayed makes a client that is reached through a TURN server only, which
// Through names before Connect. It opens no socket yet. ip is of the family
// that the server's media address is to have.
func NewRelayed(id *Identity, ip net.IP, h Handler) (*Client, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return nil, fmt.Errorf("%q is no address", ip)
	}
	c := newClient(id, netip.AddrPortFrom(addr.Unmap(), 0), h)
	c.relay = &relay{answers: make(chan *stun.Message, 4)}
	return c, nil
}

// Through names the TURN server of a client made by NewRelayed.
func (c *Client) Through(r Relay) { c.relay.to = r }

// open allocates an address and binds a channel to each of the server's.
func (r *relay) open(ctx context.Context, c *Client) error {
	if r.to.Host == "" {
		return fmt.Errorf("%w: none was named", ErrRelay)
	}
	var err error
	if r.link, r.server, err = dial(ctx, r.to); err != nil {
		return fmt.Errorf("%w: %w", ErrRelay, err)
	}
	r.peers, r.next, c.link = c.answer.addresses, time.Now().Add(refreshEvery), r.link
	c.reading.Go(func() { r.link.read(c) })
	family := byte(1)
	if c.host.Addr().Is6() {
		family = 2
	}
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}} // UDP
	wanted := stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{family, 0, 0, 0}}
	if err = r.request(ctx, stun.MethodAllocate, transport, wanted); err != nil {
		return fmt.Errorf("%w: %w", ErrRelay, err)
	}
	bound := 0
	for i := range r.peers {
		failed := r.request(ctx, stun.MethodChannelBind, r.channel(i)...)
		if failed == nil {
			bound++
			continue
		}
		err = failed
	}
	if bound == 0 {
		return fmt.Errorf("%w: it does not reach the server's media: %w", ErrRelay, err)
	}
	return nil
}

// channel says of a request which channel and which peer it is about.
func (r *relay) channel(i int) []stun.Setter {
	number := binary.BigEndian.AppendUint16(nil, firstChannel+uint16(i))
	return []stun.Setter{
		stun.RawAttribute{Type: stun.AttrChannelNumber, Value: append(number, 0, 0)},
		peerAddress(r.peers[i]),
	}
}

// peerAddress is an XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

// AddTo adds the attribute to a message.
func (p peerAddress) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	x := stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}
	return x.AddToAs(m, stun.AttrXORPeerAddress)
}

// request asks until there is an answer. The first one only tells the realm and
// a nonce, with which it is asked again (RFC 8489 section 9.2).
func (r *relay) request(ctx context.Context, method stun.Method, with ...stun.Setter) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for range 3 {
		m, err := r.build(method, with...)
		if err != nil {
			return err
		}
		answer, err := r.ask(ctx, m)
		if err != nil {
			return err
		}
		if answer.Type.Class == stun.ClassSuccessResponse {
			return nil
		}
		var code stun.ErrorCodeAttribute
		if err = code.GetFrom(answer); err != nil {
			return fmt.Errorf("it refused %s", method)
		}
		if code.Code != stun.CodeUnauthorized && code.Code != stun.CodeStaleNonce {
			return fmt.Errorf("it refused %s: %d %s", method, code.Code, code.Reason)
		}
	}
	return fmt.Errorf("it does not take the username and password that came with the answer")
}

// build makes a request, signed as soon as the realm is known.
func (r *relay) build(method stun.Method, with ...stun.Setter) (*stun.Message, error) {
	r.mu.Lock()
	realm, nonce := r.realm, r.nonce
	r.mu.Unlock()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, with...)
	if len(realm) > 0 {
		setters = append(setters, stun.NewUsername(r.to.Username), realm, nonce,
			stun.NewLongTermIntegrity(r.to.Username, realm.String(), r.to.Password))
	}
	m, err := stun.Build(setters...)
	if err != nil {
		return nil, fmt.Errorf("no request: %w", err)
	}
	return m, nil
}

// ask sends a request, by UDP again and again, until its answer comes.
func (r *relay) ask(ctx context.Context, m *stun.Message) (*stun.Message, error) {
	again := time.NewTicker(requestAgain)
	defer again.Stop()
	r.link.send(m.Raw, r.server)
	for {
		select {
		case a := <-r.answers:
			if a.TransactionID == m.TransactionID {
				return a, nil
			}
		case <-again.C:
			if r.to.Way == UDP {
				r.link.send(m.Raw, r.server)
			}
		case <-ctx.Done():
			if ctx.Err() == context.DeadlineExceeded {
				return nil, fmt.Errorf("it does not answer")
			}
			return nil, ctx.Err()
		}
	}
}

// refresh keeps the allocation and its channels alive. What is not answered
// is asked again the next time, which is soon enough.
func (r *relay) refresh(now time.Time) {
	if now.Before(r.next) {
		return
	}
	r.next = now.Add(refreshEvery)
	post := func(method stun.Method, with ...stun.Setter) {
		if m, err := r.build(method, with...); err == nil {
			r.link.send(m.Raw, r.server)
		}
	}
	post(stun.MethodRefresh)
	for i := range r.peers {
		post(stun.MethodChannelBind, r.channel(i)...)
	}
}

// send sends a datagram to one of the server's addresses as ChannelData.
func (r *relay) send(b []byte, to netip.AddrPort) {
	i := slices.Index(r.peers, to)
	if i < 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frame = binary.BigEndian.AppendUint16(r.frame[:0], firstChannel+uint16(i))
	r.frame = binary.BigEndian.AppendUint16(r.frame, uint16(len(b)))
	r.frame = append(r.frame, b...)
	if r.to.Way != UDP { // padded in a stream (RFC 8656 section 12.5)
		r.frame = append(r.frame, 0, 0, 0)[:channelHeader+(len(b)+3)&^3]
	}
	r.link.send(r.frame, r.server)
}

// take sorts a message of the TURN server: it returns what a channel brought,
// and from where, or keeps the answer to a request.
func (r *relay) take(b []byte) (inner []byte, peer netip.AddrPort) {
	if len(b) < channelHeader {
		return nil, peer
	}
	if b[0] < 4 {
		r.answer(b)
		return nil, peer
	}
	i, size := int(binary.BigEndian.Uint16(b))-firstChannel, int(binary.BigEndian.Uint16(b[2:]))
	if i < 0 || i >= len(r.peers) || channelHeader+size > len(b) {
		return nil, peer
	}
	return b[channelHeader : channelHeader+size], r.peers[i]
}

// answer keeps the answer to a request, and what it says for the next one.
func (r *relay) answer(b []byte) {
	m := &stun.Message{Raw: append([]byte(nil), b...)}
	if m.Decode() != nil {
		return
	}
	if m.Type.Class == stun.ClassErrorResponse {
		var realm stun.Realm
		var nonce stun.Nonce
		if nonce.GetFrom(m) == nil {
			r.mu.Lock()
			if r.nonce = nonce; realm.GetFrom(m) == nil {
				r.realm = realm
			}
			r.mu.Unlock()
		}
	}
	select {
	case r.answers <- m:
	default: // to a refresh, which nobody waits for
	}
}
