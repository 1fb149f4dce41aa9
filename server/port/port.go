// Package port is the one port of the server: a TCP listener and UDP sockets
// with the same number, one socket for each processor where the kernel spreads
// the clients over them. It tells apart what arrives and hands it on:
// HTTP, RTMP and RTSP connections, TURN over TCP and UDP, and the datagrams of
// each ICE session (checks, DTLS, SRTP), which come by UDP and by ICE over TCP,
// to the Receiver registered for it. Connections that begin with TLS it
// decrypts and tells apart again. Plain STUN Binding requests it answers
// itself, and asks a STUN server where the world sees it. It also holds the
// relay: virtual addresses that TURN clients are given, which are pipes to our
// own sessions and no sockets.
//
// It knows no session, no stream and no key: it believes that an address
// belongs to a session when told so by Learn, after somebody else has checked
// the message integrity. It does not speak TURN; it only sorts it out.
package port

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/address"
	"github.com/heliograph/heliograph/server/port/limit"
	"github.com/heliograph/heliograph/server/port/udp"
)

// Errors of this package.
var (
	// ErrUsed says that a ufrag is registered already.
	ErrUsed = errors.New("ufrag is in use")
	// ErrFull says that the pipe to a client behind the relay or a TCP connection
	// is full, because the client reads more slowly than is sent, and the
	// datagrams, or the rest of them, were dropped. It is no fault: the caller goes
	// on with the next keyframe.
	ErrFull = errors.New("pipe to the client is full")
	// ErrGone says that the relayed address or the TCP connection that a datagram
	// was meant for is closed.
	ErrGone = errors.New("way to the client is closed")
	// ErrNoPort says that no virtual port is free for another relayed address.
	ErrNoPort = errors.New("no free relay port")
)

// Plain Binding requests answered: per source network and in all, a second.
const (
	stunPerSource = 20
	stunTotal     = 5000
)

// Host is a name or an address, with a port there.
type Host = address.Host

// Config is what Listen needs.
type Config struct {
	Listen      string      // host:port; port 0 takes one that is free for UDP and TCP
	PublicHosts []Host      // to announce; empty: found from the interfaces, and from what STUN says
	STUN        Host        // server to ask where the world sees this one; zero for none
	TLS         *tls.Config // with a certificate, for connections that begin with TLS; nil closes them
	Log         *slog.Logger
	Metrics     *metric.Registry // may be nil
}

// Port is the open port.
type Port struct {
	// set at construction
	log       *slog.Logger
	local     netip.AddrPort
	addresses *address.Own
	senders   []Sender // one for each UDP socket
	streams   *streams
	turn      *turnPipe
	relay     *relay
	framed    *framed
	sessions  *sessions
	plain     *limit.Sources
	count     *counters
	// atomic
	closeOnce sync.Once
}

// Listen opens the port. It starts nothing: what arrives waits in the kernel
// until Run. It waits for the STUN server, 3 s at most, and can do without.
func Listen(cfg Config) (*Port, error) {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	listener, conn, err := listenBoth(cfg.Listen)
	if err != nil {
		return nil, err
	}
	p := &Port{
		log: log, local: unmap(conn.LocalAddr().(*net.UDPAddr).AddrPort()),
		sessions: newSessions(), plain: limit.NewSources(stunPerSource, stunTotal),
		count: newCounters(cfg.Metrics),
	}
	p.addresses, err = address.Find(address.Config{Local: p.local, Hosts: cfg.PublicHosts, STUN: cfg.STUN, Log: log}, conn)
	if err != nil {
		return nil, errors.Join(err, listener.Close(), conn.Close())
	}
	sockets, err := udp.Open(conn, runtime.GOMAXPROCS(0), log, p.count.sockets())
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	shared := new(places)
	p.relay, p.framed = newRelay(p, shared), newFramed(p, shared)
	for _, s := range sockets {
		p.senders = append(p.senders, Sender{socket: s, relay: p.relay, framed: p.framed, answers: p.sessions.answers})
	}
	p.streams = newStreams(listener, cfg.TLS, p)
	p.turn = newTurnPipe(p)
	return p, nil
}

// Run reads and sorts until ctx ends or a socket fails. When it returns
// everything is closed, and no Receiver is called any more.
func (p *Port) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, p.close)
	defer stop()
	p.log.Info("port open", "listen", p.local, "announced", p.Announced(),
		"sockets", len(p.senders), "gso", p.senders[0].socket.Cuts())
	runs := []func() error{p.streams.run, func() error { p.addresses.Run(ctx, p.ask); return nil }}
	for _, s := range p.senders {
		runs = append(runs, newReader(p, s.socket).run)
	}
	var wg sync.WaitGroup
	errs := make([]error, len(runs))
	for i, run := range runs {
		wg.Go(func() {
			errs[i] = run()
			cancel()
		})
	}
	wg.Wait()
	p.close()
	return errors.Join(errs...)
}

// Close closes a port that was never run. Run closes it by itself.
func (p *Port) Close() { p.close() }

func (p *Port) close() {
	p.closeOnce.Do(func() {
		for _, s := range p.senders {
			s.socket.Close()
		}
		p.streams.close()
		_ = p.turn.Close()
		p.relay.closeAll()
		p.framed.closeAll()
	})
}

// Addr is the address the port is bound to. A wildcard stays one.
func (p *Port) Addr() netip.AddrPort { return p.local }

// Announced lists the addresses for ICE candidates, the best of each family
// first. They may change while the port runs.
func (p *Port) Announced() []netip.AddrPort { return p.addresses.Announced() }

// Peers lists the addresses that the relay reaches, and nothing else: those
// announced now or before. The list is shared and must not be changed.
func (p *Port) Peers() []netip.AddrPort { return p.addresses.Peers() }

// isPeer says whether an address is one of ours.
func (p *Port) isPeer(a netip.AddrPort) bool { return slices.Contains(p.Peers(), a) }

// ask sends a question to a STUN server, by the socket that it is about.
func (p *Port) ask(b []byte, to netip.AddrPort) error {
	err := p.senders[0].socket.Send(netip.Addr{}, b, to)
	if errors.Is(err, udp.ErrCongested) {
		return nil // it is asked again
	}
	return err
}

// HTTP accepts the connections that speak HTTP/1 or HTTP/2. Those within TLS
// are a *tls.Conn for HTTP/2, and for HTTP/1 have its ConnectionState.
func (p *Port) HTTP() net.Listener { return p.streams.door(StreamHTTP) }

// TURNStreams accepts the connections that speak TURN, within TLS or not.
func (p *Port) TURNStreams() net.Listener { return p.streams.door(StreamTURN) }

// RTMP accepts the connections that speak RTMP, within TLS or not. Unless it is
// called before Run, they are closed.
func (p *Port) RTMP() net.Listener { return p.streams.door(StreamRTMP) }

// RTSP accepts the connections that speak RTSP, within TLS or not: those have
// the ConnectionState of a *tls.Conn. Unless it is called before Run, they are
// closed.
func (p *Port) RTSP() net.Listener { return p.streams.door(StreamRTSP) }

// TURNPackets reads and writes the TURN messages of the UDP socket.
func (p *Port) TURNPackets() net.PacketConn { return p.turn }

// unmap turns IPv4 in IPv6, as a dual-stack socket shows it, into IPv4: one
// client has one address here.
func unmap(a netip.AddrPort) netip.AddrPort {
	if a.Addr().Is4In6() {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return a
}
