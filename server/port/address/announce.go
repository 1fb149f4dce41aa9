package address

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// maxAnnounced bounds the addresses announced: each is a candidate for the
// client to try.
const maxAnnounced = 8

// resolveTimeout bounds a look-up of the public hosts.
const resolveTimeout = 5 * time.Second

// hostError is what is wrong with the public hosts, and not with the address
// that is listened on.
type hostError struct{ error }

// Unwrap returns the reason.
func (e hostError) Unwrap() error { return e.error }

// Setting names the setting to blame, for who reports the error.
func (hostError) Setting() string { return "public-host" }

// Host is a name or an address, with a port there.
type Host struct {
	Name string
	Port uint16 // 0 of a public host: the number listened on
}

// announce finds the addresses under which clients reach the port: those of
// the public hosts; else the one listened on; else, for a wildcard, one of
// each interface and family, beginning with the one that leads outside. Before
// these go those that the world sees.
//
// Of what the world sees the number is not announced: the router of one who
// serves forwards the number that is listened on, and where it gives what goes
// out another, this is good for one receiver only.
//
// A machine of which all addresses are private serves its own network (LAN
// mode) and announces them. Where one is public the private ones are left out:
// to clients elsewhere they are of no use, and they tell how the network of the
// server is made.
func announce(ctx context.Context, local netip.AddrPort, hosts []Host, seen []netip.Addr) ([]netip.AddrPort, error) {
	if len(hosts) > 0 {
		found, err := resolve(ctx, hosts, local.Port())
		if err != nil {
			return nil, err
		}
		return primaryFirst(found), nil
	}
	addrs := slices.DeleteFunc(slices.Clone(seen), IsOwn) // those the interfaces tell
	if local.Addr().IsUnspecified() {
		addrs = append(addrs, interfaceAddrs()...)
	} else {
		addrs = append(addrs, local.Addr().WithZone(""))
	}
	if local.Addr().Is4() {
		addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !a.Is4() })
	}
	addrs = publicIfAny(addrs)
	if len(addrs) == 0 { // a machine without a network serves itself
		addrs = []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	}
	return primaryFirst(withPort(addrs, local.Port())), nil
}

// publicIfAny leaves out private addresses when there are others.
func publicIfAny(addrs []netip.Addr) []netip.Addr {
	if !slices.ContainsFunc(addrs, func(a netip.Addr) bool { return !isPrivate(a) }) {
		return addrs
	}
	return slices.DeleteFunc(addrs, isPrivate)
}

// isPrivate says whether an address means something in one network only:
// RFC 1918, RFC 4193, and the shared addresses of providers (RFC 6598), which
// some virtual networks use too.
func isPrivate(a netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// resolve turns names and addresses into addresses, in the order given; number
// is the port of those that have none.
func resolve(ctx context.Context, hosts []Host, number uint16) ([]netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	var all []netip.AddrPort
	var names []string
	for _, h := range hosts {
		found, err := lookUp(ctx, h.Name)
		if err != nil {
			return nil, hostError{fmt.Errorf("%q has no address: name it so that clients and this server can look it up, or give the address itself: %w", h.Name, err)}
		}
		all = append(all, withPort(found, cmp.Or(h.Port, number))...)
		names = append(names, h.Name)
	}
	if len(all) == 0 {
		return nil, hostError{fmt.Errorf("of %q none is an address that a client can reach: give the address that clients connect to", names)}
	}
	return all, nil
}

// lookUp returns the addresses of a name, or the address that it is, as far as
// they are those of one machine.
func lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", strings.Trim(name, "[]"))
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range found {
		if a = a.Unmap().WithZone(""); !a.IsUnspecified() && !a.IsMulticast() {
			all = append(all, a)
		}
	}
	return all, nil
}

// interfaceAddrs lists the first address of each family of every interface
// that leads somewhere. One each, since others lead to the same place, and on
// systems other than Linux a reply leaves with the first whichever was asked.
func interfaceAddrs() []netip.Addr {
	all := append(outgoing("udp4", "192.0.2.1:9"), outgoing("udp6", "[2001:db8::1]:9")...)
	interfaces, err := net.Interfaces()
	if err != nil {
		return all
	}
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 || isBridge(i.Name) {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		all = append(all, firstOfEach(addrs, all)...)
	}
	return all
}

// outgoing asks the kernel which address it would use towards the world. The
// socket is connected and sends nothing.
func outgoing(network, documentation string) []netip.Addr {
	c, err := net.Dial(network, documentation)
	if err != nil {
		return nil
	}
	defer func() { _ = c.Close() }()
	a := c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	if !usable(a) {
		return nil
	}
	return []netip.Addr{a}
}

// firstOfEach picks the first usable address of each family of an interface,
// unless that interface has one among known already.
func firstOfEach(addrs []net.Addr, known []netip.Addr) []netip.Addr {
	var first4, first6 netip.Addr
	for _, x := range addrs {
		prefix, err := netip.ParsePrefix(x.String())
		if err != nil || !usable(prefix.Addr()) {
			continue
		}
		first := &first6
		if prefix.Addr().Is4() {
			first = &first4
		}
		if !first.IsValid() || slices.Contains(known, prefix.Addr()) {
			*first = prefix.Addr()
		}
	}
	return slices.DeleteFunc([]netip.Addr{first4, first6}, func(a netip.Addr) bool {
		return !a.IsValid() || slices.Contains(known, a)
	})
}

// usable says whether a client on another machine could reach an address.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast()
}

// isBridge says whether an interface only joins containers of this machine.
func isBridge(name string) bool {
	for _, p := range []string{"docker", "br-", "veth", "virbr", "cni", "flannel", "cali", "lxc"} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// primaryFirst moves the first address of each family to the front and drops
// what is double or too much.
func primaryFirst(addrs []netip.AddrPort) []netip.AddrPort {
	var front, rest []netip.AddrPort
	var have4, have6 bool
	for _, a := range addrs {
		have := &have6
		if a.Addr().Is4() {
			have = &have4
		}
		switch {
		case slices.Contains(front, a) || slices.Contains(rest, a):
		case *have:
			rest = append(rest, a)
		default:
			*have = true
			front = append(front, a)
		}
	}
	all := append(front, rest...)
	return all[:min(len(all), maxAnnounced)]
}

func withPort(addrs []netip.Addr, port uint16) []netip.AddrPort {
	all := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		all[i] = netip.AddrPortFrom(a, port)
	}
	return all
}

// IsOwn says whether an interface of this machine has an address.
func IsOwn(a netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, x := range list {
		if own, err := netip.ParsePrefix(x.String()); err == nil && own.Addr().WithZone("") == a {
			return true
		}
	}
	return false
}
