package port

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// How long an own address may take to answer, and how often it is asked by UDP.
const (
	selfPatience = 2 * time.Second
	selfRepeat   = 500 * time.Millisecond
)

// errStranger says that not this server has answered.
var errStranger = errors.New("something else answers there")

// SelfTest asks every announced address, by UDP and TCP, whether it leads here,
// and logs a line for each, with what to do where an operator must act. Run must
// be running. A machine behind a router may fail to reach itself and be
// reachable from elsewhere, so nothing but the log depends on this.
func (p *Port) SelfTest(ctx context.Context) {
	p.tellAddresses()
	announced := p.Announced()
	results := make([][2]selfResult, len(announced))
	var asking sync.WaitGroup
	for i, at := range announced {
		asking.Go(func() { results[i][0] = askSelf(ctx, "udp", at) })
		asking.Go(func() { results[i][1] = askSelf(ctx, "tcp", at) })
	}
	asking.Wait()
	if ctx.Err() != nil {
		return
	}
	for i, at := range announced {
		for _, r := range results[i] {
			p.tellSelf(at, r)
		}
	}
}

// tellAddresses says what the announced addresses mean for whom.
func (p *Port) tellAddresses() {
	switch {
	case p.local.Addr().IsLoopback() && len(p.addresses.hosts) == 0:
		p.log.Info("self-test: only this machine reaches the server, for it listens on loopback")
		return
	case !p.addresses.onlyPrivate():
		p.tellLeftOut()
		return
	}
	if p.local.Port() == 443 {
		p.log.Warn("self-test: Chromium ignores media at port 443 of private addresses; in a local network choose another with --listen")
	}
	if len(p.addresses.hosts) > 0 {
		return
	}
	if inContainer() {
		p.log.Warn("self-test: this is a container, and nobody outside reaches its addresses; name the machine's with --public-host", "announced", p.Announced())
		return
	}
	p.log.Info("self-test: all addresses are private, so viewers of this network only come directly; for others add --public-host", "announced", p.Announced())
}

// tellLeftOut names the private addresses that are kept back.
func (p *Port) tellLeftOut() {
	if len(p.addresses.hosts) > 0 || !p.local.Addr().IsUnspecified() {
		return
	}
	var private []netip.Addr
	for _, a := range interfaceAddrs() {
		if isPrivate(a) {
			private = append(private, a)
		}
	}
	if len(private) > 0 {
		p.log.Info("self-test: private addresses are not announced, since there is a public one; whoever needs them lists all with --public-host", "private", private)
	}
}

// inContainer says whether this process runs in one of Docker or Podman.
func inContainer() bool {
	for _, mark := range []string{"/.dockerenv", "/run/.containerenv"} {
		if _, err := os.Stat(mark); err == nil {
			return true
		}
	}
	return false
}

// selfResult is what came of one way to an own address.
type selfResult struct {
	way  string
	took time.Duration
	err  error
}

// tellSelf says what came of one way.
func (p *Port) tellSelf(at netip.AddrPort, r selfResult) {
	if r.err == nil {
		p.log.Info("self-test: "+r.way+" leads here", "address", at, "took", r.took.Round(100*time.Microsecond))
		return
	}
	advice := "; open it in this machine's firewall"
	if !isOwn(at.Addr()) {
		advice = " from this machine, which is usual behind some routers; forward the port to this machine, and run \"heliograph doctor URL\" in another network"
	}
	p.log.Warn("self-test: "+r.way+" does not lead here"+advice, "address", at, "err", r.err)
}

// isOwn says whether an interface of this machine has an address.
func isOwn(a netip.Addr) bool {
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

// askSelf sends a Binding request to an own address and waits for the answer.
// The port answers it by UDP, the TURN server behind it by TCP.
func askSelf(ctx context.Context, network string, at netip.AddrPort) selfResult {
	r := selfResult{way: map[string]string{"udp": "UDP", "tcp": "TCP"}[network]}
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, selfPatience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, network, at.String())
	if err != nil {
		r.err = err
		return r
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	r.err = bind(c, network == "udp")
	r.took = time.Since(start)
	return r
}

// bind asks until the answer to the question comes, or the connection is closed.
func bind(c net.Conn, again bool) error {
	var request [20]byte
	binary.BigEndian.PutUint16(request[0:], methodBinding)
	binary.BigEndian.PutUint32(request[4:], stunCookie)
	_, _ = rand.Read(request[8:]) // never fails: crypto/rand ends the program instead
	answer := make([]byte, maxDatagram)
	for {
		if _, err := c.Write(request[:]); err != nil {
			return err
		}
		if again {
			if err := c.SetReadDeadline(time.Now().Add(selfRepeat)); err != nil {
				return err
			}
		}
		n, err := c.Read(answer)
		switch {
		case err != nil && again && os.IsTimeout(err):
		case err != nil:
			return err
		case n < len(request) || [16]byte(answer[4:20]) != [16]byte(request[4:20]):
			return errStranger
		default:
			return nil
		}
	}
}
