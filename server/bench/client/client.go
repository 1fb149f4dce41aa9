package client

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
)

// connectTimeout bounds ICE and DTLS together.
const connectTimeout = 15 * time.Second

// maxEarly bounds the packets kept that came before the keys were known.
const maxEarly = 512

// consentTimeout is how long a server may leave checks without an answer (RFC
// 7675 section 5.1).
const consentTimeout = 30 * time.Second

// ErrNotConnected says that there are no keys yet, or no more.
var ErrNotConnected = errors.New("not connected")

// Handler takes what comes. No two calls are made at once.
type Handler interface {
	// Packet takes an SRTP or SRTCP packet as it came, and the moment in ns of
	// Unix time. b may be changed, and not be kept.
	Packet(b []byte, arrived int64)
}

// Client is one viewer. It is opened by New, told the answer by Accept and
// connected by Connect; Close ends it at any time.
type Client struct {
	// set at construction
	identity *Identity
	handler  Handler
	link     link
	relay    *relay         // nil for a client that is reached directly
	host     netip.AddrPort // the host candidate; of one behind a relay only the family counts
	local    credentials
	tie      uint64 // tie-breaker of ICE

	// set by Accept
	answer *answer

	// owned by Connect, then by Close
	join

	// atomic
	path  atomic.Pointer[netip.AddrPort] // where the server is; nil before it answered
	keys  atomic.Pointer[keys]
	open  atomic.Bool  // what came before the keys has been handed on
	heard atomic.Int64 // last answer to a check, ns of Unix time
}

// join is what a client needs to connect, and to hear of its end.
type join struct {
	dtls      *dtls.Conn
	pipe      *pipe
	reached   chan netip.AddrPort
	nominated chan struct{}
	ended     chan struct{} // closed when DTLS has ended
	reading   sync.WaitGroup
	running   sync.WaitGroup

	mu    sync.Mutex
	early []earlyPacket // guarded by mu
}

type earlyPacket struct {
	packet  []byte
	arrived int64
}

// New opens a socket on all addresses, so that the kernel chooses the right
// source on the way to each of the server's, and announces ip.
func New(id *Identity, ip net.IP, h Handler) (*Client, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return nil, fmt.Errorf("%q is no address", ip)
	}
	addr = addr.Unmap()
	s, err := openSocket(&net.UDPAddr{}, addr.Is4())
	if err != nil {
		return nil, err
	}
	c := newClient(id, netip.AddrPortFrom(addr, s.port), h)
	c.link = s
	return c, nil
}

func newClient(id *Identity, host netip.AddrPort, h Handler) *Client {
	var tie [8]byte
	_, _ = rand.Read(tie[:]) // never fails
	c := &Client{
		identity: id, handler: h, local: randomCredentials(), tie: binary.BigEndian.Uint64(tie[:]), host: host,
		join: join{reached: make(chan netip.AddrPort, 1), nominated: make(chan struct{}, 1), ended: make(chan struct{})},
	}
	c.pipe = newPipe(c)
	return c
}

// send sends one datagram to an address of the server's, by way of the relay if
// there is one. What is lost is repeated by the protocols above.
func (c *Client) send(b []byte, to netip.AddrPort) {
	if c.relay != nil {
		c.relay.send(b, to)
		return
	}
	c.link.send(b, to)
}

// Offer returns the SDP offer, with the only candidate in it.
func (c *Client) Offer() string { return c.offer() }

// Accept takes the server's SDP answer. It returns ErrAnswer, wrapped, for one
// that is of no use.
func (c *Client) Accept(text string) error {
	a, err := readAnswer(text, c.host.Addr())
	c.answer = a
	return err
}

// TransportCC is the id of the header extension by which the server numbers
// packets for transport-wide feedback; 0 if it does not want any.
func (c *Client) TransportCC() uint8 { return c.answer.transportCC }

// ReducedSize tells whether the server takes RTCP packets that begin with no
// report (RFC 5506).
func (c *Client) ReducedSize() bool { return c.answer.reducedSize }

// Connect does ICE and DTLS, and begins to read. When it fails, Close is still
// to be called.
func (c *Client) Connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if c.relay != nil {
		if err := c.relay.open(ctx, c); err != nil {
			return err
		}
	} else {
		c.reading.Go(func() { c.link.read(c) })
	}
	path, err := c.reach(ctx)
	if err != nil {
		return err
	}
	c.path.Store(&path)
	naming, named := context.WithCancel(ctx)
	defer named()
	c.running.Go(func() { c.nominate(naming, path) })
	k, err := c.handshake(ctx)
	if err != nil {
		return err
	}
	c.use(k)
	c.running.Go(c.listen)
	return nil
}

// use hands on what came before the keys, and everything after.
func (c *Client) use(k *keys) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys.Store(k)
	for _, e := range c.early {
		c.handler.Packet(e.packet, e.arrived)
	}
	c.early = nil
	c.open.Store(true)
}

// IsRTCP tells an SRTCP packet from an SRTP one (RFC 5761 section 4).
func IsRTCP(b []byte) bool { return len(b) > 1 && b[1] >= 192 && b[1] <= 223 }

// media takes a packet that is neither STUN nor DTLS.
func (c *Client) media(b []byte, arrived int64) {
	if !c.open.Load() && c.keep(b, arrived) {
		return
	}
	c.handler.Packet(b, arrived)
}

// keep puts aside a packet that came before the keys. It is false when they
// have come meanwhile, and what came before has been handed on.
func (c *Client) keep(b []byte, arrived int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open.Load() {
		return false
	}
	if len(c.early) < maxEarly {
		c.early = append(c.early, earlyPacket{append([]byte(nil), b...), arrived})
	}
	return true
}

// arrived takes what came by the link.
func (c *Client) arrived(b []byte, from netip.AddrPort, at int64) {
	if c.relay == nil {
		c.datagram(b, from, at)
		return
	}
	if inner, peer := c.relay.take(b); inner != nil {
		c.datagram(inner, peer, at)
	}
}

// datagram sorts what the server sent (RFC 7983 section 7).
func (c *Client) datagram(b []byte, from netip.AddrPort, arrived int64) {
	switch {
	case len(b) == 0:
	case b[0] >= 128 && b[0] < 192:
		c.media(b, arrived)
	case b[0] >= 20 && b[0] < 64:
		c.pipe.put(b)
	case b[0] < 4:
		c.stun(b, from)
	}
}

// OpenRTP decrypts an SRTP packet into dst, whose room it uses. Only the
// handler may call it.
func (c *Client) OpenRTP(dst, b []byte) ([]byte, error) {
	k := c.keys.Load()
	if k == nil {
		return nil, ErrNotConnected
	}
	return k.in.DecryptRTP(dst, b, &k.header)
}

// OpenRTCP decrypts an SRTCP packet into dst, as OpenRTP does.
func (c *Client) OpenRTCP(dst, b []byte) ([]byte, error) {
	k := c.keys.Load()
	if k == nil {
		return nil, ErrNotConnected
	}
	return k.in.DecryptRTCP(dst, b, nil)
}

// SendRTCP encrypts RTCP and sends it. Only one goroutine may call it at a
// time.
func (c *Client) SendRTCP(plain []byte) error {
	k, path := c.keys.Load(), c.path.Load()
	if k == nil || path == nil {
		return ErrNotConnected
	}
	sealed, err := k.out.EncryptRTCP(k.sealed[:0], plain, nil)
	if err != nil {
		return err
	}
	k.sealed = sealed
	c.send(sealed, *path)
	return nil
}

// Check asks the server once whether it still agrees to send (RFC 7675). It is
// false when the server has not answered for 30 s.
func (c *Client) Check(now time.Time) bool {
	if path := c.path.Load(); path != nil {
		c.check(*path, nominatingCheck)
	}
	if c.relay != nil {
		c.relay.refresh(now)
	}
	return now.Sub(time.Unix(0, c.heard.Load())) < consentTimeout
}

// server is where the server is, once it has answered.
func (c *Client) server() netip.AddrPort {
	if path := c.path.Load(); path != nil {
		return *path
	}
	return netip.AddrPort{}
}

// Ended is closed when the server has ended the connection.
func (c *Client) Ended() <-chan struct{} { return c.ended }

// Drops is how many packets the kernel dropped because the socket was full.
func (c *Client) Drops() uint32 {
	if s, ok := c.link.(*socket); ok {
		return s.drops.Load()
	}
	return 0 // TCP loses nothing
}

// Host is the address that the client has announced.
func (c *Client) Host() netip.AddrPort { return c.host }

// Close says goodbye and closes the socket. When it returns, the handler is
// not called any more, except by a Batch of the caller.
func (c *Client) Close() {
	if c.dtls != nil {
		_ = c.dtls.Close()
	}
	if c.pipe != nil {
		_ = c.pipe.Close()
	}
	if c.link != nil {
		c.link.close()
	}
	c.reading.Wait()
	c.running.Wait()
}

// Detach ends the client's own reading, packet by packet as each comes. From
// now on a Batch reads. It is false where the system has no such thing, and
// the client goes on by itself.
func (c *Client) Detach() bool {
	if !c.link.detach() {
		return false
	}
	c.reading.Wait()
	return true
}

// Deafen makes a detached client as small as it can be: the kernel throws away
// whatever comes before anybody is woken, and all that is left is an address
// that the server sends to, and Check.
func (c *Client) Deafen() error {
	s, ok := c.link.(*socket)
	if !ok {
		return errors.New("a connection cannot be deaf")
	}
	if err := s.filterAll(); err != nil {
		return fmt.Errorf("the packets could not be filtered away: %w", err)
	}
	c.pipe.mute.Store(true) // no goodbye
	_ = c.dtls.Close()
	_ = c.pipe.Close()
	c.running.Wait()
	c.keys.Store(nil)
	c.dtls, c.pipe, c.reached, c.nominated = nil, nil, nil, nil
	c.handler, c.answer.addresses = nil, nil
	return nil
}
