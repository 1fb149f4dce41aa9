package app

import (
	"net"
	"net/netip"
)

// URL returns the address of the web app, for a person on this machine or,
// where public hosts are set, for everybody.
func (a *App) URL() string {
	host, port := "127.0.0.1", ""
	if addr, err := netip.ParseAddrPort(a.listener.Addr().String()); err == nil {
		_, port, _ = net.SplitHostPort(addr.String())
		if !addr.Addr().IsUnspecified() {
			host = addr.Addr().Unmap().String()
		}
	}
	if hosts := a.cfg.Settings.PublicHosts; len(hosts) > 0 {
		host = hosts[0]
	}
	return "http://" + net.JoinHostPort(host, port)
}
