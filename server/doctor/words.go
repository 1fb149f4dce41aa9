package doctor

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// Whom to ask. A machine sees only that nothing came back, and not where it
// was lost; trying from another network tells.
const (
	askBoth = "try this from another network: if it works there, ask whoever runs this one; else ask whoever runs the server to "
	openUDP = "open the UDP port in its firewall, and forward it in the router or container"
	openTCP = "open the TCP port in its firewall, and forward it in the router or container"
)

// untestable says that no test could be begun.
func untestable(r Result, err error) Result {
	r.State, r.Text = Skipped, err.Error()
	r.Ask = "ask whoever runs the server to look at it, or try again in a minute"
	return r
}

// unconnected explains why a connection, or a socket towards an address, could
// not be opened.
func (e *examination) unconnected(r Result, err error) Result {
	r.State = Blocked
	var unknown *net.DNSError
	switch {
	case errors.As(err, &unknown):
		r.Text, r.Why, r.Ask = "the name has no address", "the server names another host here than the one it was asked by", "ask whoever runs the server to look at its names"
	case noSuchFamily(err):
		r.State, r.Text = Skipped, "this machine has no way to such addresses"
		r.Why = "its network has no IPv6, or no IPv4"
	case errors.Is(err, syscall.EPERM):
		r.ownFirewall()
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Text, r.Why = "the machine is there, and refuses", "nothing listens on this port, or a firewall answers for it"
		r.Ask = "ask whoever runs the server whether it runs, and on which port"
	case isTimeout(err):
		r.Text, r.Why = "nothing came back", "a firewall drops the connection, or the address is not that of the server"
		r.Ask = askBoth + openTCP
		e.private(&r)
	default:
		r.Text = brief(err)
		r.Ask = askBoth + openTCP
	}
	return r
}

// unanswered explains why a way that could be opened does not carry a check.
func (e *examination) unanswered(r Result, err error) Result {
	r.State = Blocked
	datagrams := r.Way == wayUDP || r.Way == wayTURNUDP
	switch {
	case noSuchFamily(err):
		return e.unconnected(r, err)
	case errors.Is(err, syscall.EPERM):
		r.ownFirewall()
	case errors.Is(err, syscall.ECONNREFUSED):
		r.Text, r.Why = "the machine is there, and nothing listens", "only TCP of this port is forwarded to the server, or it runs on another port"
		r.Ask = "ask whoever runs the server to forward UDP of the same number as TCP"
	case isTimeout(err) && datagrams:
		r.Text, r.Why, r.Ask = "nothing came back", "a firewall on the way drops UDP", askBoth+openUDP
		e.private(&r)
	case isTimeout(err):
		r.Text, r.Why = "the connection opens, and then nothing comes back", "a proxy or filter that only knows web traffic takes the connection"
		r.Ask = "ask whoever runs this network to let the connection pass; if others cannot either, ask whoever runs the server about its proxy"
	case errors.Is(err, errRefused):
		r.Text, r.Why = brief(err), "the server has too many such connections from this network, or was restarted just now"
		r.Ask = "try again in a minute; then ask whoever runs the server"
	case errors.Is(err, errForeign), errors.Is(err, errLong):
		r.Text, r.Why = brief(err), "another program or a proxy has this port"
		r.Ask = "ask whoever runs the server what is on this port"
	default:
		r.Text, r.Why = brief(err), "a proxy or filter on the way, or another program on the port, ended it"
		r.Ask = askBoth + "look at what stands before it"
	}
	return r
}

// ownFirewall explains that the system itself forbids to send.
func (r *Result) ownFirewall() {
	r.Text, r.Why = "this machine does not let it out", "its own firewall forbids it"
	r.Ask = "allow it in the firewall of this machine"
}

// private says what it means that an address without an answer is a private
// one, while the server was found under a public one.
func (e *examination) private(r *Result) {
	at, err := netip.ParseAddrPort(r.Target)
	if err != nil || !isPrivate(at.Addr()) || isPrivate(e.through.Addr()) {
		return
	}
	r.Why = "the server announces a private address, which cannot be reached from elsewhere"
	r.Ask = "ask whoever runs the server to start it with --public-host " + e.url.Hostname()
	if number := e.url.Port(); number != "" && number != strconv.Itoa(int(at.Port())) {
		r.Ask += ", and with :" + number + " behind it if that leads to the server itself and not to a proxy"
	}
}

// isPrivate says whether an address has a meaning in one network only.
func isPrivate(a netip.Addr) bool {
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) // RFC 6598
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || shared.Contains(a)
}

// noSuchFamily says whether a machine has no address to reach another from.
func noSuchFamily(err error) bool {
	var address *net.AddrError
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EADDRNOTAVAIL) ||
		errors.Is(err, syscall.EAFNOSUPPORT) || errors.As(err, &address)
}
