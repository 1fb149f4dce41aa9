package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/heliograph/heliograph/server/hostname"
)

// defaultSTUN is the port of a STUN server that is given without (RFC 8489
// section 18.6).
const defaultSTUN = 3478

// Host is a name or an address, and perhaps a port there.
type Host struct {
	Name string
	Port uint16 // 0 for none given
}

// parseHost reads a host with a port or without.
func parseHost(s string) (Host, error) {
	if CheckHost(s) == nil { // addresses of IPv6 have colons of their own
		return Host{Name: s}, nil
	}
	name, number, err := net.SplitHostPort(s)
	if err != nil || strings.Contains(s, "/") {
		return Host{}, CheckHost(s)
	}
	if err := CheckHost(name); err != nil {
		return Host{}, err
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return Host{}, fmt.Errorf("%q has no port of 1 to 65535 after its colon", s)
	}
	return Host{Name: name, Port: uint16(n)}, nil
}

// addHosts reads the settings that name hosts; stun may be "".
func (s *Settings) addHosts(public []string, stun string) (err error) {
	for _, p := range public {
		h, err := parseHost(p)
		if err != nil {
			return fmt.Errorf("--%s: %w", keyPublicHost, err)
		}
		s.PublicHosts = append(s.PublicHosts, h)
	}
	if stun == "" {
		return nil
	}
	if s.STUN, err = parseHost(stun); err != nil {
		return fmt.Errorf("--%s: %w", keySTUN, err)
	}
	if s.STUN.Port == 0 {
		s.STUN.Port = defaultSTUN
	}
	return nil
}

// CheckHost returns an error unless h is an IP address or a host's name, without a port.
func CheckHost(h string) error {
	if _, err := netip.ParseAddr(h); err == nil {
		return nil
	}
	if !hostname.Valid(h) {
		return fmt.Errorf("%q is no address and no name of a host (write it without scheme)", h)
	}
	return nil
}
