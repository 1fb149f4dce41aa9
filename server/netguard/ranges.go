package netguard

import "net/netip"

// neverReached are addresses that no camera and no server has, or that answer
// to whoever asks with the secrets of the machine: the metadata services of
// clouds, which believe every request that comes from their machine.
func neverReached() []netip.Prefix {
	return prefixes(
		"0.0.0.0/8", "224.0.0.0/4", "240.0.0.0/4", // this network, multicast, reserved and broadcast
		"::/128", "ff00::/8", // unspecified, multicast
		"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::254/128", "fd00:ec2::23/128", // AWS, Azure, Google, ...
		"100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32", "fd20:ce::254/128", // Alibaba, Oracle, Azure, Google
	)
}

// specialPurpose are the addresses that are not of the public internet, of the
// registries of RFC 6890. Those that carry an IPv4 address within them are all
// here, because where they lead is the network's affair.
func specialPurpose() []netip.Prefix {
	return prefixes(
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", // private
		"100.64.0.0/10",                 // shared by carriers, RFC 6598
		"127.0.0.0/8", "169.254.0.0/16", // loopback, link-local
		"192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", // protocol assignments, 6to4 relays, benchmarks
		"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", // documentation
		"::/96",           // loopback and IPv4-compatible
		"::ffff:0:0:0/96", // IPv4-translated
		"64:ff9b::/96",    // NAT64
		"64:ff9b:1::/48",  // NAT64 of a network's own
		"100::/64",        // discard
		"2001::/23",       // Teredo and protocol assignments
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4
		"3fff::/20",       // documentation
		"5f00::/16",       // segment routing
		"fc00::/7",        // unique local
		"fe80::/10",       // link-local
		"fec0::/10",       // site-local, given up but routed here and there
	)
}

func prefixes(texts ...string) []netip.Prefix {
	list := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		list[i] = netip.MustParsePrefix(t)
	}
	return list
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// embedded returns the IPv4 address that an IPv6 address carries for a
// translator or a tunnel, the zero Addr when it carries none.
func embedded(a netip.Addr) netip.Addr {
	if !a.Is6() {
		return netip.Addr{}
	}
	b := a.As16()
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case b[0] == 0x20 && b[1] == 0x02: // 6to4, RFC 3056
		return v4(2)
	case [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b}: // NAT64, RFC 6052
		return v4(12)
	case [6]byte(b[:6]) == [6]byte{0, 0x64, 0xff, 0x9b, 0, 1}: // NAT64 of a network's own, RFC 8215
		return v4(12)
	case [4]byte(b[:4]) == [4]byte{0x20, 0x01}: // Teredo, RFC 4380: the bits are turned
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]})
	case [8]byte(b[:8]) == [8]byte{} && b[12] != 0: // IPv4-compatible, and translated (RFC 2765)
		return v4(12)
	}
	return netip.Addr{}
}
