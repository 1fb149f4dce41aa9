package address

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
)

// Tell logs what the addresses mean for whom, and what came of asking the STUN
// server.
func (a *Own) Tell() {
	a.tellAnnounced()
	a.tellMapping()
}

// tellAnnounced says what the announced addresses mean for whom.
func (a *Own) tellAnnounced() {
	switch {
	case a.local.Addr().IsLoopback() && len(a.hosts) == 0:
		a.log.Info("self-test: only this machine reaches the server, for it listens on loopback")
		return
	case !a.onlyPrivate():
		a.tellLeftOut()
		return
	}
	if a.local.Port() == 443 {
		a.log.Warn("self-test: Chromium ignores media at port 443 of private addresses; in a local network choose another with --listen")
	}
	if len(a.hosts) > 0 {
		return
	}
	orSTUN := ", or a STUN server that finds it out with --stun"
	if a.mapping != nil {
		orSTUN = ""
	}
	if inContainer() {
		a.log.Warn("self-test: this is a container, and nobody outside reaches its addresses; name the machine's with --public-host"+orSTUN, "announced", a.Announced())
		return
	}
	a.log.Info("self-test: all addresses are private, so viewers of this network only come directly; for others name the address that they connect to with --public-host"+orSTUN, "announced", a.Announced())
}

// tellMapping says what came of asking the STUN server.
func (a *Own) tellMapping() {
	m := a.mapping
	if m == nil {
		return
	}
	seen, err := m.found()
	for _, at := range seen {
		a.tellSeen(at)
	}
	var refused refusedAnswer
	var unknown *net.DNSError
	at := net.JoinHostPort(m.server.Name, strconv.Itoa(int(m.server.Port)))
	switch {
	case errors.As(err, &unknown) && unknown.IsNotFound:
		a.log.Warn("self-test: STUN: the server's name has no address, so what the world sees is not known; correct --stun, "+
			"or name the address that clients connect to with --public-host", "stun", at, "err", err)
	case errors.As(err, &refused):
		a.log.Warn("self-test: STUN: the answer of the server is of no use; name another with --stun, or the address that clients connect to with --public-host",
			"stun", at, "err", err)
	case err != nil:
		a.log.Warn("self-test: STUN: the server does not answer, so what the world sees is not known; let UDP out to it, or name another with --stun, "+
			"or the address that clients connect to with --public-host", "stun", at, "err", err)
	}
}

// tellSeen says what it means that the world sees the UDP socket there.
func (a *Own) tellSeen(at netip.AddrPort) {
	announced, named := a.Announced(), len(a.hosts) > 0
	ours := slices.ContainsFunc(announced, func(o netip.AddrPort) bool { return o.Addr() == at.Addr() })
	as := "self-test: STUN: the world sees this server as " + at.String()
	switch {
	case !ours && named:
		a.log.Warn(as+", and --public-host names another address; if media do not get through, correct that", "announced", announced)
	case at.Port() != a.local.Port() && !named:
		a.log.Warn(as+": the router changes the port number of what goes out, so that only a fixed forward leads here; "+
			"forward UDP and TCP of the announced number to this machine, and if it is another outside, say so with --public-host NAME:PORT", "announced", announced)
	default:
		a.log.Info(as, "announced", announced)
	}
}

// tellLeftOut names the private addresses that are kept back.
func (a *Own) tellLeftOut() {
	if len(a.hosts) > 0 || !a.local.Addr().IsUnspecified() {
		return
	}
	var private []netip.Addr
	for _, has := range interfaceAddrs() {
		if isPrivate(has) {
			private = append(private, has)
		}
	}
	if len(private) > 0 {
		a.log.Info("self-test: private addresses are not announced, since there is a public one; for clients that come by these, or by a router's address that leads here, list all with --public-host", "private", private)
	}
}

// inContainer says whether this process runs in one of Docker or Podman.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}

// onlyPrivate says whether the port serves its own network only, as far as is
// known.
func (a *Own) onlyPrivate() bool {
	return !slices.ContainsFunc(*a.announced.Load(), func(at netip.AddrPort) bool { return !isPrivate(at.Addr()) })
}
