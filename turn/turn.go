package turn

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/heliograph/heliograph/server/metric"
)

// defaultRealm is short on purpose: it is in every answer to those who have
// not said who they are, which should not be longer than their question.
const defaultRealm = "live"

// Relay makes relayed addresses. A port of 0 lets it choose an even one.
type Relay interface {
	Allocate(port int) (net.PacketConn, net.Addr, error)
}

// Config is what New needs. Packets or Streams may be nil, not both.
type Config struct {
	Packets net.PacketConn // TURN over UDP
	Streams net.Listener   // TURN over TCP
	Relay   Relay          // makes the relayed addresses
	// Peers lists the only addresses that clients may reach, never none. It may
	// list others later, but those before too while allocations have them.
	Peers   func() []netip.AddrPort
	Realm   string           // "" for the default
	Log     *slog.Logger     // may be nil
	Metrics *metric.Registry // may be nil
}

// Server is the TURN server.
type Server struct {
	// set at construction
	cfg         Config
	log         *slog.Logger
	count       *counters
	family      byte // of relayed addresses, as STUN writes it
	credentials *credentials
	allocations *allocations
	limits      *limits
	// guarded by mu
	mu      sync.Mutex
	streams map[client]*stream
	closed  bool
	// atomic
	chunks atomic.Int64 // that wait for the clients of streams
	// owned by Run
	connected sync.WaitGroup
}

// New makes a server. It starts nothing.
func New(cfg Config) (*Server, error) {
	if cfg.Packets == nil && cfg.Streams == nil {
		return nil, errors.New("turn: neither packets nor streams to serve")
	}
	if cfg.Relay == nil || cfg.Peers == nil || len(cfg.Peers()) == 0 {
		return nil, errors.New("turn: a relay and at least one peer are needed")
	}
	if cfg.Realm == "" {
		cfg.Realm = defaultRealm
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	secret := make([]byte, secretSize)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, family: relayedFamily(cfg.Peers()), credentials: newCredentials(secret, cfg.Realm),
		allocations: newAllocations(), limits: newLimits(), streams: map[client]*stream{},
	}
	s.count = newCounters(cfg.Metrics, s)
	return s, nil
}

// Run serves until ctx ends, and returns when all allocations are gone. It
// closes Packets, Streams and every connection.
func (s *Server) Run(ctx context.Context) error {
	library, err := s.serve()
	if err != nil {
		return err
	}
	<-ctx.Done()
	s.mu.Lock()
	s.closed = true
	all := make([]*stream, 0, len(s.streams))
	for _, c := range s.streams {
		all = append(all, c)
	}
	s.mu.Unlock()
	for _, c := range all {
		s.connected.Go(c.kill) // which a client that does not read holds up, but only its own
	}
	s.allocations.end()
	s.connected.Wait() // before the library closes: it ends the allocations of a connection when that has ended
	err = library.Close()
	s.allocations.wait()
	return err
}

// Revoke ends a credential with its session: its allocations are closed now,
// and the connections of its clients, and no request with it is taken any more.
func (s *Server) Revoke(username string) {
	s.credentials.revoke(username)
	for client, c := range s.allocations.of(username) {
		_ = c.Close() // the library deletes an allocation whose address is closed
		s.mu.Lock()
		st := s.streams[client]
		s.mu.Unlock()
		if st != nil {
			st.end()
		}
	}
}

// URLs lists the TURN servers for the iceServers of our own clients: TURN over
// TCP on the one port and, where secure names a host that the certificate is
// good for, within TLS. host may be an IPv6 address, in brackets or not.
//
// There is no stun: and no UDP turn: URL in it, and there must not be: a
// browser built on libwebrtc takes every datagram from the address of such a
// server for an answer of that server, ICE and media included, and so cannot
// reach the media that has the same address. It loses nothing, since where UDP
// to the port passes, ICE passes without TURN.
func URLs(host, secure string, port uint16) []string {
	list := []string{"turn:" + authority(host, port) + "?transport=tcp"}
	if secure != "" {
		list = append(list, "turns:"+authority(secure, port)+"?transport=tcp")
	}
	return list
}

func authority(host string, port uint16) string {
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// unmap turns IPv4 in IPv6 into IPv4: what is allowed must not depend on how
// an address is written.
func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
