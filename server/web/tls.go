package web

import (
	"io"
	"net"
	"net/http"
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
func (s *Server) certificate(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, selfSignedText+"  "+s.cfg.TLS.Fingerprint()+"\n")
}

const selfSignedText = `This server made its own certificate. Browsers warn of it, because nobody they know has signed it.

The connection is encrypted all the same. What the browser cannot tell you is
whether you have reached this server or somebody in between. To make sure,
compare the certificate's SHA-256 fingerprint in the browser's details of the
warning with the one below, on the machine that the server runs on, or with
what the server logs when it starts.

If they are the same, go on:
  Chrome, Edge   Advanced - Proceed
  Firefox        Advanced - Accept the Risk and Continue
  Safari         Show Details - visit this website

The browser asks again when the certificate changes: once a year, and when the
machine gets another address. To be rid of the warning, whoever runs the server
gives it a name in the DNS and starts it with --domain, or gives it a
certificate with --tls-cert and --tls-key.

SHA-256 fingerprint of the certificate:
`
