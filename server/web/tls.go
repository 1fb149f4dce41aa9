package web

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// TLS is what the door knows of the encryption in front of it. The zero value
// is for none.
type TLS struct {
	Port        uint16                          // where the encrypted pages are
	Trusted     func() bool                     // whether browsers take the certificate as it is; nil for never
	Fingerprint func() string                   // of a certificate that the server has signed itself; nil for another
	Challenges  func(http.Handler) http.Handler // answers what a certificate authority asks; nil for nothing
}

// strictFor is how long browsers keep to TLS once they have seen it: half a
// year, in seconds (RFC 6797 section 6.1.1). Other names of the domain are not
// ours to speak for.
const strictFor = "max-age=15552000"

// secured sends people from plain pages to the encrypted ones, and tells their
// browsers to stay there, while the certificate is one that browsers take.
// Programs are left alone, and so is this machine, where a proxy may be that
// encrypts for us.
func (s *Server) secured(next http.Handler) http.Handler {
	t := s.cfg.TLS
	if t.Trusted == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch plain := r.TLS == nil; {
		case !t.Trusted():
		case !plain:
			w.Header().Set("Strict-Transport-Security", strictFor)
		case (r.Method == http.MethodGet || r.Method == http.MethodHead) && wantsPage(r) && hasPath(r) &&
			!remote(r).Addr().IsLoopback() && r.Header.Get("X-Forwarded-Proto") != "https":
			http.Redirect(w, r, encrypted(r, t.Port), http.StatusPermanentRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hasPath says whether r asks for a path: what else there may be, like
// "x:@another", would be read as a part of the host.
func hasPath(r *http.Request) bool { return strings.HasPrefix(r.URL.RequestURI(), "/") }

// encrypted is the address of what r asks for, with TLS. r has a path.
func encrypted(r *http.Request, port uint16) string {
	host := hostOf(r)
	if port != 443 {
		host = net.JoinHostPort(host, strconv.Itoa(int(port)))
	} else if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return "https://" + host + r.URL.RequestURI()
}

// Redirect sends everybody who comes without TLS, to the usual port of HTTP, to
// the encrypted pages at port.
func Redirect(port uint16) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hostOf(r) == "" || !hasPath(r) {
			Problem(w, http.StatusBadRequest, codeBadRequest, "The Host header names no host. Use the server's name or address.")
			return
		}
		http.Redirect(w, r, encrypted(r, port), http.StatusPermanentRedirect)
	})
}

// certificate explains the warning of the browser to somebody who sees it.
func (s *Server) certificate(w http.ResponseWriter, r *http.Request) {
	if s.cfg.TLS.Fingerprint == nil && !wantsPage(r) {
		Problem(w, http.StatusNotFound, codeNotFound, noSelfSignedText)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if s.cfg.TLS.Fingerprint == nil {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, noSelfSignedText+"\n")
		return
	}
	_, _ = io.WriteString(w, selfSignedText+inLines(s.cfg.TLS.Fingerprint()))
}

// inLines writes a fingerprint in lines that fit a phone, where a browser would
// break it in the middle of a byte.
func inLines(fingerprint string) string {
	const ofLine = 8 // bytes
	var b strings.Builder
	for line := range slices.Chunk(strings.Split(fingerprint, ":"), ofLine) {
		b.WriteString("  " + strings.Join(line, ":") + "\n")
	}
	return b.String()
}

const noSelfSignedText = "There is no self-signed certificate here, so there is no fingerprint to compare. " +
	"If the browser warns of a certificate all the same, ask whoever runs the server."

// selfSignedText has lines that fit a phone as they are: browsers break longer
// ones anywhere, also after a hyphen.
const selfSignedText = `This server made its own certificate.
Browsers warn of it, because nobody they
know has signed it.

The connection is encrypted all the same.
What the browser cannot tell you is
whether you have reached this server or
somebody in between.

To make sure, compare two fingerprints
(SHA-256): the one that the browser shows
in the details of the certificate, and
the one in the server's log, in the line
with sha256. Whoever runs the server can
read it to you.

If they are the same, go on:
  Chrome, Edge
    Advanced - Proceed
  Firefox
    Advanced - Accept the Risk and
    Continue
  Safari
    Show Details - visit this website

The browser asks again when the
certificate changes: once a year, and
when the machine gets another address.

To be rid of the warning, whoever runs
the server gives it a name in the DNS and
starts it with --domain, or gives it a
certificate with --tls-cert and --tls-key.

The fingerprint, as the server knows it.
It proves something only where nobody can
be in between: in a browser on the
server's own machine.
`
