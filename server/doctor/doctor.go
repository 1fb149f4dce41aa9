// Package doctor finds out, from any machine, by which ways a server's media
// can be reached: the address, the connection, the certificate, HTTP,
// WebSocket, and then UDP, TCP and the relay with real connectivity checks.
// What does not work it explains in plain words, and says whom to ask.
//
// It is a foreign client on purpose: all it knows of the server is the
// contract of POST /reach and the RFCs, so it sees what a browser would see.
package doctor

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ErrUsage says that what is to be tested is no address of a server.
var ErrUsage = errors.New("wrong address")

// patience is how long each way is tried: as long as a viewer would wait.
const patience = 4 * time.Second

// State is what came of a way.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // works, but not for everybody
	Blocked State = "blocked" // nothing comes back, or somebody says no
	Skipped State = "skipped" // cannot be tried from here, or is not offered
)

// Names of the ways, in the order in which they are tried. Those of media
// carry pictures; one of them is enough.
const (
	wayDNS       = "DNS"
	wayTCP       = "TCP"
	wayTLS       = "TLS"
	wayHTTP      = "HTTP"
	wayWebSocket = "WebSocket"
	wayUDP       = "UDP"
	wayICETCP    = "ICE-TCP"
	wayTURNUDP   = "TURN/UDP"
	wayTURNTCP   = "TURN/TCP"
	wayTURNTLS   = "TURN/TLS"
)

// Result is what came of one way.
type Result struct {
	Way    string  `json:"way"`
	Target string  `json:"target,omitempty"` // host:port
	State  State   `json:"state"`
	Millis float64 `json:"ms,omitempty"`   // until it worked
	Text   string  `json:"text,omitempty"` // what happened
	Why    string  `json:"why,omitempty"`  // probably
	Ask    string  `json:"ask,omitempty"`  // what to do, and who can
}

// media tells whether the way carries pictures and sound. The relay by UDP is
// not among them: clients are never sent there, it only tells why UDP fails.
func (r Result) media() bool {
	switch r.Way {
	case wayUDP, wayICETCP, wayTURNTCP, wayTURNTLS:
		return true
	}
	return false
}

// Report is what came of all ways.
type Report struct {
	URL     string   `json:"url"`
	Media   bool     `json:"media"`          // one way for media works
	Best    string   `json:"best,omitempty"` // the way that media will take
	Hint    string   `json:"hint,omitempty"` // what all results tell together
	Results []Result `json:"results"`
}

// examination is one run: what is known so far, and who hears of it.
type examination struct {
	// set at construction
	url      *url.URL
	patience time.Duration
	tell     func(Result)
	roots    *x509.CertPool // who may sign certificates; nil for those whom the system trusts

	// owned by the run
	report    *Report
	addresses []netip.Addr // of the host
	through   netip.AddrPort
	judged    judgement
}

// Run tries every way to the server at address, a URL of which only scheme and
// host count. tell hears each result as it comes. A wrong address is an error
// that wraps ErrUsage; what does not work is none, but in the report.
func Run(ctx context.Context, address string, tell func(Result)) (*Report, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}
	e := &examination{
		url: u, patience: patience, tell: tell,
		report: &Report{URL: u.String()},
	}
	e.run(ctx)
	return e.report, ctx.Err()
}

// parseURL reads the address of a server.
func parseURL(address string) (*url.URL, error) {
	if address != "" && !strings.Contains(address, "://") {
		return nil, fmt.Errorf("%w: %q lacks the http:// or https://; write http://%[2]s, or https://%[2]s where the server has a certificate", ErrUsage, address)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("%w: %q is not the URL of a server, like https://live.example.org or http://192.0.2.7:8080", ErrUsage, address)
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return nil, fmt.Errorf("%w: %q has no port of 1 to 65535 after its colon", ErrUsage, address)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// port is the number of the server's port.
func (e *examination) port() string {
	switch {
	case e.url.Port() != "":
		return e.url.Port()
	case e.url.Scheme == "https":
		return "443"
	}
	return "80"
}

// run tries the ways in turn. Each needs what comes before it.
func (e *examination) run(ctx context.Context) {
	if !e.resolve(ctx) || !e.connect(ctx) || !e.secure(ctx) || !e.ask(ctx) {
		return
	}
	e.websocket(ctx)
	e.direct(ctx)
	e.relayed(ctx)
	e.summarise()
}

// note adds a result.
func (e *examination) note(r Result) {
	for _, s := range []*string{&r.Target, &r.Text, &r.Why, &r.Ask} {
		*s = printable(*s)
	}
	e.report.Results = append(e.report.Results, r)
	e.tell(r)
}

// summarise finds the best way: they were tried in the order in which a
// browser prefers them.
func (e *examination) summarise() {
	e.report.Hint = e.misannounced()
	for _, r := range e.report.Results {
		if r.media() && r.State == OK {
			e.report.Media, e.report.Best = true, r.Way
			return
		}
	}
}

// misannounced tells the case that one result alone does not: UDP passes, but
// not to where the server says it is.
func (e *examination) misannounced() string {
	state := map[string]State{}
	for _, r := range e.report.Results {
		if state[r.Way] != OK {
			state[r.Way] = r.State
		}
	}
	if state[wayUDP] != Blocked || state[wayTURNUDP] != OK {
		return ""
	}
	return "UDP does reach the server, but not at an address that it announces. Whoever runs it starts it with --public-host " +
		e.url.Hostname() + " to change that."
}

// since is the time since start in milliseconds, to a tenth.
func since(start time.Time) float64 {
	return float64(time.Since(start).Round(100*time.Microsecond)) / float64(time.Millisecond)
}
