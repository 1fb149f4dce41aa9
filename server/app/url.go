package app

import (
	"net"
	"strconv"
)

// URL returns the address of the web app, for a person on this machine or,
// where public hosts are set, for everybody.
func (a *App) URL() string {
	host := "127.0.0.1"
	if addr := a.port.Addr().Addr(); !addr.IsUnspecified() {
		host = addr.Unmap().String()
	}
	if hosts := a.cfg.Settings.PublicHosts; len(hosts) > 0 {
		host = hosts[0]
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(int(a.port.Addr().Port())))
}
