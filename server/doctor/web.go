package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of an answer, in bytes.
const maxBody = 64 << 10

// resolve finds the addresses of the host.
func (e *examination) resolve(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	host, start := e.url.Hostname(), time.Now()
	if a, err := netip.ParseAddr(host); err == nil {
		e.addresses = []netip.Addr{a}
		e.note(Result{Way: wayDNS, Target: host, State: OK, Text: "is an address"})
		return true
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(found) == 0 {
		e.note(Result{Way: wayDNS, Target: host, State: Blocked, Text: "the name has no address", Why: "it is misspelt, or not in the DNS yet",
			Ask: "check the spelling; then ask whoever runs the server to enter the name in the DNS"})
		return false
	}
	var text []string
	for _, a := range found {
		e.addresses = append(e.addresses, a.Unmap())
		text = append(text, a.Unmap().String())
	}
	e.note(Result{Way: wayDNS, Target: host, State: OK, Millis: since(start), Text: "is " + strings.Join(text, ", ")})
	return true
}

// connect opens a TCP connection to the first address that takes one.
func (e *examination) connect(ctx context.Context) bool {
	var failed []Result
	for _, a := range e.addresses {
		at := net.JoinHostPort(a.String(), e.port())
		start := time.Now()
		c, err := e.dial(ctx, "tcp", at)
		if err == nil {
			_ = c.Close()
			e.through, _ = netip.ParseAddrPort(at)
			e.note(Result{Way: wayTCP, Target: at, State: OK, Millis: since(start)})
			for _, r := range failed { // told only now, since they did not matter
				e.note(r)
			}
			return true
		}
		failed = append(failed, e.unconnected(Result{Way: wayTCP, Target: at}, err))
	}
	for _, r := range failed {
		e.note(r)
	}
	return false
}

// dial opens a connection within the time of one way.
func (e *examination) dial(ctx context.Context, network, at string) (net.Conn, error) {
	d := net.Dialer{Timeout: e.patience}
	return d.DialContext(ctx, network, at)
}

// secure shakes hands and looks at the certificate. A wrong one is noted and
// then overlooked, so that the rest can be tried too.
func (e *examination) secure(ctx context.Context) bool {
	if e.url.Scheme != "https" {
		return true
	}
	r := Result{Way: wayTLS, Target: e.through.String()}
	start := time.Now()
	c, err := e.dialTLS(ctx, e.through.String(), e.url.Hostname(), "h2", "http/1.1")
	if err != nil {
		r.State, r.Text = Blocked, "the connection opens, but there is no TLS: "+brief(err)
		r.Why = "the server speaks http on this port, or something on the way opens TLS connections"
		r.Ask = "try http:// with the same address; if that works, ask whoever runs the server for a certificate"
		e.note(r)
		return false
	}
	defer func() { _ = c.Close() }()
	r.Millis = since(start)
	r = judge(r, c.ConnectionState(), e.url.Hostname(), e.roots)
	e.judged = judgement{seen: true, trusted: r.State == OK, selfSigned: selfSigned(c.ConnectionState().PeerCertificates)}
	e.note(r)
	return true
}

// judgement is what is known of the certificate of the web pages.
type judgement struct{ seen, trusted, selfSigned bool }

// noTURN says why a server with such a certificate offers no relay by TLS.
func (j judgement) noTURN() string {
	switch {
	case !j.seen:
		return "it has no certificate that browsers take"
	case j.trusted:
		return "a proxy before it has the certificate, and it has none itself"
	case j.selfSigned:
		return "its certificate is self-signed, which browsers do not take for TURN"
	}
	return "browsers do not take its certificate for TURN"
}

// selfSigned says whether nobody else vouches for a certificate.
func selfSigned(chain []*x509.Certificate) bool {
	return bytes.Equal(chain[0].RawIssuer, chain[0].RawSubject)
}

// dialTLS connects without a look at the certificate: that is judged apart.
func (e *examination) dialTLS(ctx context.Context, at, name string, protocols ...string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: name, NextProtos: protocols,
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} // judge looks at the certificate
	c, err := d.DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	return c.(*tls.Conn), nil
}

// judge says whether a browser would take the certificate of a connection.
func judge(r Result, state tls.ConnectionState, name string, roots *x509.CertPool) Result {
	leaf := state.PeerCertificates[0]
	until := leaf.NotAfter.Format(time.DateOnly)
	options := x509.VerifyOptions{DNSName: name, Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(options)
	days := int(time.Until(leaf.NotAfter).Hours() / 24)
	r.State, r.Text = OK, fmt.Sprintf("certificate valid until %s, %d days", until, days)
	var other x509.HostnameError
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
		return r
	case errors.As(err, &other):
		r.Text, r.Why = "the certificate is for another name", "the server has no certificate for "+name
		r.Ask = "use the name that the certificate is for, or ask whoever runs the server for one that covers this name"
	case errors.As(err, &unknown):
		r.Text, r.Why = "browsers do not know who made the certificate", "it is self-signed, lacks its chain, or a firewall on the way replaces it"
		r.Ask = "on a LAN accept it once in the browser; on the internet ask whoever runs the server for a public one"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		r.Text, r.Why = "the certificate is not valid now; it ended or ends on "+until, "it was not renewed, or the clock of this machine is wrong"
		r.Ask = "check the clock here; then ask whoever runs the server to renew the certificate"
	default:
		r.Text = "browsers refuse the certificate: " + brief(err)
		r.Ask = "ask whoever runs the server to look at the certificate"
	}
	r.State = Warning
	return r
}

// ask sends the first HTTP request, and with it learns whether this is a
// server that can be tested.
func (e *examination) ask(ctx context.Context) bool {
	r := Result{Way: wayHTTP, Target: e.through.String()}
	start := time.Now()
	status, _, _, err := e.request(ctx, http.MethodGet, "/healthz", "")
	switch {
	case err != nil:
		r.State, r.Text = Blocked, "no answer to a request: "+brief(err)
		r.Why, r.Ask = "another program has this port, or a proxy on the way cuts the connection", "check the address and its port with whoever runs the server"
	case status >= http.StatusInternalServerError:
		r.State, r.Text = Blocked, fmt.Sprintf("answers with status %d", status)
		r.Why, r.Ask = "a proxy stands before a server that does not run", "ask whoever runs the server to look at it and at its proxy"
	case status != http.StatusOK:
		r.State, r.Text = Blocked, fmt.Sprintf("answers with status %d where a Heliograph server says ok", status)
		r.Why, r.Ask = "this is another server", "check the address and its port with whoever runs the server"
	default:
		r.State, r.Millis = OK, since(start)
	}
	e.note(r)
	return r.State == OK
}

// request sends one HTTP request to the address that took a connection, and
// reads the answer. Redirects are not followed: they would lead elsewhere.
func (e *examination) request(ctx context.Context, method, path, offer string) (int, http.Header, string, error) {
	ctx, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return e.dial(ctx, network, e.through.String())
		},
		TLSClientConfig:   &tls.Config{ServerName: e.url.Hostname(), InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}, // judged before
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var body io.Reader
	if offer != "" {
		body = strings.NewReader(offer)
	}
	req, err := http.NewRequestWithContext(ctx, method, e.url.JoinPath(path).String(), body)
	if err != nil {
		return 0, nil, "", err
	}
	if offer != "" {
		req.Header.Set("Content-Type", "application/sdp")
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	return res.StatusCode, res.Header, string(b), err
}

// brief leaves out of an error which request or address it was about.
func brief(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return "nothing came in time"
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return "the connection was closed"
	}
	return err.Error()
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
