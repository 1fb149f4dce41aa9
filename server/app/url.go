package app

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// URL returns the address of the web app, for a person on this machine or,
// where a public host or a certificate is set, for everybody.
func (a *App) URL() string {
	bound := a.port.Addr()
	scheme, host := "http", a.host(bound.Addr())
	// On this machine alone nothing has to be encrypted, and no certificate fits.
	if a.domain != nil || a.keeper != nil && !bound.Addr().IsLoopback() {
		scheme = "https"
	}
	at := net.JoinHostPort(host, strconv.Itoa(int(a.number())))
	if scheme == "https" {
		at = strings.TrimSuffix(at, ":443")
	}
	return scheme + "://" + at
}

// number is that of the port as the world knows it: a container may have it
// published under another than it listens on.
func (a *App) number() uint16 { return a.port.Announced()[0].Port() }

// host returns by what people find the server that is bound to an address.
func (a *App) host(bound netip.Addr) string {
	switch hosts := a.cfg.Settings.PublicHosts; {
	case a.domain != nil:
		return a.domain.Host()
	case len(hosts) > 0:
		return hosts[0].Name
	case !bound.IsUnspecified():
		return bound.Unmap().String()
	case a.keeper == nil:
		return "127.0.0.1"
	case a.keeper.Host() != "":
		return a.keeper.Host()
	}
	return a.port.Announced()[0].Addr().String()
}
