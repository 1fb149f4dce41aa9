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

	"github.com/heliograph/heliograph/server/port/address"
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
	p.addresses.Tell()
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
	if !address.IsOwn(at.Addr()) {
		advice = " from this machine, which is usual behind some routers; forward the port to this machine, and run \"heliograph doctor URL\" in another network"
	}
	p.log.Warn("self-test: "+r.way+" does not lead here"+advice, "address", at, "err", r.err)
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
	binary.BigEndian.PutUint16(request[0:], bindingRequest)
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
