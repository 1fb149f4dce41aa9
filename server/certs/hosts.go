package certs

import (
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
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
	kernel, _ := os.ReadFile("/proc/net/if_inet6") // only Linux has it
	passing := temporary(string(kernel))
	for _, a := range all {
		prefix, err := netip.ParsePrefix(a.String())
		if err == nil && !prefix.Addr().IsLinkLocalUnicast() && !slices.Contains(passing, prefix.Addr()) {
			h.add(prefix.Addr().String())
		}
	}
	return h
}

// temporary reads out of Linux's list of IPv6 addresses those that change every
// day, for privacy (RFC 8981). With them in the certificate it would change as
// often, and browsers would warn again.
func temporary(kernel string) (list []netip.Addr) {
	const flag = 0x01 // IFA_F_TEMPORARY
	for line := range strings.Lines(kernel) {
		field := strings.Fields(line) // address, interface, length, scope, flags, name
		if len(field) != 6 {
			continue
		}
		raw, err1 := hex.DecodeString(field[0])
		flags, err2 := strconv.ParseUint(field[4], 16, 8)
		if a, ok := netip.AddrFromSlice(raw); err1 == nil && err2 == nil && ok && flags&flag != 0 {
			list = append(list, a)
		}
	}
	return list
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
