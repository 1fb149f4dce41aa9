package turn

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/pion/logging"
	pionturn "github.com/pion/turn/v4"
)

// maxMessage is the longest message taken from a client: a datagram of 1500
// bytes in a Send indication, with room.
const maxMessage = 2048

// errNoTCP refuses relays over TCP (RFC 6062), which the gate has done before.
var errNoTCP = errors.New("turn: no TCP allocations")

// library is the library's server.
type library struct {
	*pionturn.Server
	reading sync.WaitGroup
}

// reads makes Close wait until the function it returns was called, once or more
// often.
func (l *library) reads() (ended func()) {
	l.reading.Add(1)
	return sync.OnceFunc(l.reading.Done)
}

// Close ends the reading of messages and connections, and waits for that.
func (l *library) Close() error {
	err := l.Server.Close()
	l.reading.Wait()
	return err
}

// serve starts the library's server.
func (s *Server) serve() (*library, error) {
	l := new(library)
	cfg := pionturn.ServerConfig{
		Realm:         s.cfg.Realm,
		LoggerFactory: quiet{s.log},
		InboundMTU:    maxMessage + 1, // the library drops what fills its buffer
		AuthHandler: func(username, _ string, src net.Addr) ([]byte, bool) {
			return s.key(clientOf(src), username)
		},
		QuotaHandler: s.quota,
		EventHandler: pionturn.EventHandler{
			OnAllocationCreated: func(src, _ net.Addr, _, username, _ string, relayed net.Addr, _ int) {
				if c := s.allocations.claim(clientOf(src), clientOf(relayed).addr); c != nil {
					c.forward(s.wayTo(clientOf(src)))
				}
				if !s.credentials.inForce(username) { // revoked meanwhile, when there was no allocation to end
					s.Revoke(username)
				}
			},
			OnAllocationDeleted: func(src, _ net.Addr, _, _, _ string) { s.allocations.remove(clientOf(src)) },
			OnPermissionCreated: func(src, _ net.Addr, _, _, _ string, _ net.Addr, peer net.IP) {
				s.note(src, func(r *routes) { r.permit(peer) })
			},
			OnPermissionDeleted: func(src, _ net.Addr, _, _, _ string, _ net.Addr, peer net.IP) {
				s.note(src, func(r *routes) { r.forbid(peer) })
			},
			OnChannelCreated: func(src, _ net.Addr, _, _, _ string, _, peer net.Addr, number uint16) {
				s.note(src, func(r *routes) { r.bind(number, peer) })
			},
			OnChannelDeleted: func(src, _ net.Addr, _, _, _ string, _, _ net.Addr, number uint16) {
				s.note(src, func(r *routes) { r.unbind(number) })
			},
			OnAllocationError: func(src, _ net.Addr, _, _ string) { s.allocations.abandon(clientOf(src)) },
		},
	}
	if s.cfg.Packets != nil {
		cfg.PacketConnConfigs = []pionturn.PacketConnConfig{{
			PacketConn: &packets{PacketConn: s.cfg.Packets, server: s, ended: l.reads()}, RelayAddressGenerator: generator{s}, PermissionHandler: s.permit,
		}}
	}
	var streams *listener
	if s.cfg.Streams != nil {
		streams = newListener(s, l.reads())
		cfg.ListenerConfigs = []pionturn.ListenerConfig{{
			Listener: streams, RelayAddressGenerator: generator{s}, PermissionHandler: s.permit,
		}}
	}
	var err error
	if l.Server, err = pionturn.NewServer(cfg); err != nil {
		return nil, err
	}
	if streams != nil {
		l.reading.Go(streams.run)
	}
	return l, nil
}

// note tells a client's relayed address what the library permits it.
func (s *Server) note(src net.Addr, change func(*routes)) {
	if c := s.allocations.relayed(clientOf(src)); c != nil {
		c.routes.change(change)
	}
}

// quota is asked before each allocation.
func (s *Server) quota(username, _ string, src net.Addr) bool {
	ok := s.allocations.reserve(clientOf(src), username)
	if !ok {
		s.count.quota.Inc()
	}
	return ok
}

// permit is the library's question for a peer. The gate has answered it
// before; this is the second lock of three.
func (s *Server) permit(_ net.Addr, peer net.IP) bool {
	a, ok := netip.AddrFromSlice(peer)
	return ok && slices.ContainsFunc(s.cfg.Peers(), func(p netip.AddrPort) bool { return p.Addr() == a.Unmap() })
}

// generator makes relayed addresses for the library.
type generator struct{ server *Server }

// Validate has nothing to check.
func (g generator) Validate() error { return nil }

// AllocatePacketConn makes a relayed address. It is held until the library
// says which client it is for.
func (g generator) AllocatePacketConn(_ string, port int) (net.PacketConn, net.Addr, error) {
	c, addr, err := g.server.cfg.Relay.Allocate(port)
	if err != nil {
		return nil, nil, err
	}
	conn := newRelayConn(g.server, c)
	g.server.allocations.made(clientOf(addr).addr, conn)
	return conn, addr, nil
}

// AllocateConn refuses.
func (g generator) AllocateConn(string, int) (net.Conn, net.Addr, error) { return nil, nil, errNoTCP }

// quiet turns the library's log into debug lines. It logs what clients do
// wrong as warnings, of which a hostile one makes as many as it likes.
type quiet struct{ log *slog.Logger }

// NewLogger returns the same log for every scope.
func (q quiet) NewLogger(string) logging.LeveledLogger { return q }

// Trace drops.
func (quiet) Trace(string) {}

// Tracef drops.
func (quiet) Tracef(string, ...any) {}

// Debug drops.
func (quiet) Debug(string) {}

// Debugf drops: it is called for each packet, and with usernames.
func (quiet) Debugf(string, ...any) {}

// Info drops.
func (quiet) Info(string) {}

// Infof drops.
func (quiet) Infof(string, ...any) {}

// Warn writes a debug line.
func (q quiet) Warn(msg string) { q.log.Debug("turn library", "msg", msg) }

// Warnf writes a debug line without its values, which may name clients.
func (q quiet) Warnf(format string, _ ...any) { q.log.Debug("turn library", "msg", format) }

// Error writes a debug line.
func (q quiet) Error(msg string) { q.log.Debug("turn library", "msg", msg) }

// Errorf writes a debug line without its values, which may name clients.
func (q quiet) Errorf(format string, _ ...any) { q.log.Debug("turn library", "msg", format) }
