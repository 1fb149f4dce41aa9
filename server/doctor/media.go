package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// direct checks every address of the server, by UDP and then by TCP.
func (e *examination) direct(ctx context.Context) {
	for _, way := range []string{wayUDP, wayICETCP} {
		p, err := e.meet(ctx)
		if err != nil {
			e.note(untestable(Result{Way: way}, err))
			continue
		}
		candidates := p.udp
		if way == wayICETCP {
			candidates = p.tcp
		}
		if len(candidates) == 0 {
			e.note(Result{Way: way, State: Skipped, Text: "the server offers no address for it"})
		}
		results := make([]Result, len(candidates))
		var checks sync.WaitGroup
		for i, at := range candidates {
			checks.Go(func() { results[i] = e.candidate(ctx, way, at, p) })
		}
		checks.Wait()
		for _, r := range results {
			e.note(r)
		}
	}
}

// candidate checks one address.
func (e *examination) candidate(ctx context.Context, way string, at netip.AddrPort, p *peer) Result {
	r := Result{Way: way, Target: at.String()}
	start := time.Now()
	network := "udp"
	if way == wayICETCP {
		network = "tcp"
	}
	c, err := e.dial(ctx, network, r.Target)
	if err != nil {
		return e.unconnected(r, err)
	}
	defer func() { _ = c.Close() }()
	var w wire = packets{c}
	if way == wayICETCP {
		w = frames{c}
	}
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if err := check(w, p, start.Add(e.patience)); err != nil {
		return e.unanswered(r, err)
	}
	r.State, r.Millis = OK, since(start)
	return r
}

// relayed checks the way through each TURN server, to the first address of the
// server. UDP to it is tried too, which browsers do not need: where it passes
// they come directly.
func (e *examination) relayed(ctx context.Context) {
	first, err := e.meet(ctx)
	if err != nil {
		e.note(untestable(Result{Way: wayTURNTCP}, err))
		return
	}
	for _, s := range e.turnServers(first.servers) {
		p, err := e.meet(ctx)
		if err != nil {
			e.note(untestable(Result{Way: s.way()}, err))
			continue
		}
		for _, own := range p.servers { // credentials end with their test
			s.username, s.password = own.username, own.password
		}
		e.note(e.relay(ctx, s, p))
	}
	e.missing(first.servers)
}

// turnServers are those that the server hands out and, before them, the first
// by UDP.
func (e *examination) turnServers(given []turnServer) []turnServer {
	if len(given) == 0 {
		return nil
	}
	byUDP := given[0]
	byUDP.secure, byUDP.stream = false, false
	if at := slices.IndexFunc(given, func(s turnServer) bool { return !s.secure }); at >= 0 {
		byUDP.host, byUDP.port = given[at].host, given[at].port
	}
	return append([]turnServer{byUDP}, given...)
}

// missing notes the ways through a relay that the server does not offer.
func (e *examination) missing(given []turnServer) {
	for _, way := range []string{wayTURNTCP, wayTURNTLS} {
		if slices.ContainsFunc(given, func(s turnServer) bool { return s.way() == way }) {
			continue
		}
		r := Result{Way: way, State: Skipped, Text: "the server offers no relay by this way"}
		if way == wayTURNTLS {
			r.Why, r.Ask = e.judged.noTURN(), "networks that let nothing but https pass need it: whoever runs the server gives it a certificate of a public authority"
		}
		e.note(r)
	}
}

// relay checks the way through one TURN server.
func (e *examination) relay(ctx context.Context, s turnServer, p *peer) Result {
	r := Result{Way: s.way(), Target: net.JoinHostPort(s.host, s.port)}
	start := time.Now()
	w, c, err := e.wireTo(ctx, s, e.reachable(s))
	if err != nil {
		return e.unconnected(r, err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	if t, ok := c.(*tls.Conn); ok {
		judged := judge(r, t.ConnectionState(), s.host, e.roots)
		if judged.State != OK { // a browser would go no further, and not say why
			judged.State = Blocked
			return judged
		}
	}
	a, err := allocate(w, s, relayTo(p.udp), start.Add(e.patience))
	if err != nil {
		return e.unanswered(r, err)
	}
	defer a.end()
	if err := check(a, p, start.Add(e.patience)); err != nil {
		return e.unanswered(r, err)
	}
	r.State, r.Millis = OK, since(start)
	return r
}

// wireTo opens the way to a TURN server.
func (e *examination) wireTo(ctx context.Context, s turnServer, at string) (wire, net.Conn, error) {
	switch {
	case s.secure:
		c, err := e.dialTLS(ctx, at, s.host)
		return messages{c}, c, err
	case s.stream:
		c, err := e.dial(ctx, "tcp", at)
		return messages{c}, c, err
	}
	c, err := e.dial(ctx, "udp", at)
	return packets{c}, c, err
}

// relayTo picks the address that a relay is asked to reach: IPv4, which a
// relayed address has unless one asks (RFC 8656 section 7.2), else the first.
func relayTo(candidates []netip.AddrPort) netip.AddrPort {
	for _, c := range candidates {
		if c.Addr().Is4() {
			return c
		}
	}
	if len(candidates) == 0 {
		return netip.AddrPort{}
	}
	return candidates[0]
}
