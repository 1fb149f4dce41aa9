package netguard

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// ErrRefused is returned for an address that the guard does not let through.
var ErrRefused = errors.New("this address may not be reached")

// dialTime bounds one connection attempt with all addresses of its name.
const dialTime = 10 * time.Second

// Guard dials only what it allows. It is safe for concurrent use.
type Guard struct {
	// set at construction
	public  bool // reaches the internet
	private bool // reaches the machine and its networks
	own     map[netip.Addr]bool
	never   []netip.Prefix
	special []netip.Prefix
	locals  func() ([]net.Addr, error)
}

// New returns a guard for public addresses, or with private for those of the
// machine and its networks too. own are addresses under which the world reaches
// this machine although none of its interfaces has them (behind a NAT); they and
// those of the interfaces are private.
func New(private bool, own ...netip.Addr) *Guard {
	g := &Guard{public: true, private: private, own: map[netip.Addr]bool{}, never: neverReached(), special: specialPurpose(), locals: net.InterfaceAddrs}
	for _, a := range own {
		g.own[a.Unmap().WithZone("")] = true
	}
	return g
}

// NewLocal returns a guard for the addresses of the machine and its networks
// alone: what New with private adds.
func NewLocal() *Guard {
	g := New(true)
	g.public = false
	return g
}

// Allow returns nil for an address that may be reached, else an ErrRefused that
// says what kind of address it is.
func (g *Guard) Allow(a netip.Addr) error {
	if !a.IsValid() {
		return fmt.Errorf("%w: it is no IP address", ErrRefused)
	}
	a = a.Unmap().WithZone("")
	for inner := a; inner.IsValid(); inner = embedded(inner) {
		if within(g.never, inner) {
			return fmt.Errorf("%w: %s belongs to no camera or server", ErrRefused, a)
		}
	}
	if g.public && g.private {
		return nil
	}
	err := g.outward(a)
	switch {
	case g.public:
		return err
	case err == nil:
		return fmt.Errorf("%w: %s is not on a private network", ErrRefused, a)
	}
	return nil
}

// outward returns why an address is not one of the internet.
func (g *Guard) outward(a netip.Addr) error {
	if within(g.special, a) || !a.IsGlobalUnicast() {
		return fmt.Errorf("%w: %s is on a private or special network", ErrRefused, a)
	}
	if g.own[a] || g.isLocal(a) {
		return fmt.Errorf("%w: %s is this server itself", ErrRefused, a)
	}
	return nil
}

// isLocal tells whether an interface of the machine has the address. They are
// asked each time, because addresses come and go; when they cannot be known the
// answer is the careful one.
func (g *Guard) isLocal(a netip.Addr) bool {
	addrs, err := g.locals()
	if err != nil {
		return true
	}
	for _, local := range addrs {
		n, ok := local.(*net.IPNet)
		if !ok {
			continue
		}
		if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap() == a {
			return true
		}
	}
	return false
}

// Dial connects as net.Dialer does. The error is an ErrRefused when an address
// of the name was not allowed and none of the others answered.
func (g *Guard) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialTime, Control: g.control}
	return d.DialContext(ctx, network, address)
}

// control is called with the resolved address just before connecting to it.
func (g *Guard) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q is no IP address with a port", ErrRefused, address)
	}
	return g.Allow(to.Addr())
}

// Resolve returns the first allowed address of a host, for protocols that dial
// by themselves: they must use this address and not the name.
func (g *Guard) Resolve(ctx context.Context, host string) (netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap(), g.Allow(a)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.Addr{}, err
	}
	var refused error
	for _, a := range addrs {
		if refused = g.Allow(a); refused == nil {
			return a.Unmap(), nil
		}
	}
	if refused == nil {
		refused = &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return netip.Addr{}, refused
}

// Literal returns the IP address that a URL's host stands for without being
// looked up: one that is written out, or localhost. ok is false for a name.
func Literal(host string) (a netip.Addr, ok bool) {
	if strings.EqualFold(host, "localhost") {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	a, err := netip.ParseAddr(host)
	return a, err == nil
}
