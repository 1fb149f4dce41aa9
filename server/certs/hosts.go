package certs

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/heliograph/heliograph/server/hostname"
)

// maxHosts bounds the names in a certificate: a machine full of containers has
// an interface for each.
const maxHosts = 64

// hosts are what a certificate is valid for.
type hosts struct {
	names     []string
	addresses []net.IP
}

// localHosts lists public and what this machine is called and has.
func localHosts(public []string) hosts {
	var h hosts
	for _, p := range public {
		h.add(p)
	}
	h.add("localhost")
	if name, err := os.Hostname(); err == nil {
		h.add(name)
		if !strings.Contains(name, ".") {
			h.add(name + ".local") // its name by mDNS
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		h.add("127.0.0.1")
		h.add("::1")
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLinkLocalUnicast() {
			h.add(prefix.Addr().String())
		}
	}
	return h
}

// add adds a name or address, each once; what is neither is left out.
func (h *hosts) add(s string) {
	if len(h.names)+len(h.addresses) == maxHosts {
		return
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		ip := net.IP(a.Unmap().WithZone("").AsSlice())
		if !slices.ContainsFunc(h.addresses, ip.Equal) {
			h.addresses = append(h.addresses, ip)
		}
		return
	}
	s = strings.ToLower(s)
	if hostname.Valid(s) && !slices.Contains(h.names, s) {
		h.names = append(h.names, s)
	}
}

// all lists the names and addresses as text.
func (h hosts) all() []string {
	list := slices.Clone(h.names)
	for _, ip := range h.addresses {
		list = append(list, ip.String())
	}
	return list
}
