package web

import (
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-chi/httprate"
)

// Requests that one address may make; an IPv6 /64 counts as one.
const (
	calls       = 300 // to REST
	callsWindow = 10 * time.Second
	joins       = 20 // WHIP and WHEP POSTs, and WebSockets, each
	joinsWindow = 2 * time.Second
)

// policy allows the app its own files, pictures it draws itself, media from
// memory, and connections; no inline script, no frame, no plug-in.
const policy = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self'; " +
	"connect-src 'self' ws: wss:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

const permissions = "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), " +
	"geolocation=(), payment=(), usb=(), serial=(), midi=()"

// headers adds what keeps a browser from being used against its owner.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Permissions-Policy", permissions)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin") // the set-up link holds a secret
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// recovered ends one request that hits a fault, instead of the server.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.counts.requests.Inc()
		defer func() {
			if fault := recover(); fault != nil {
				s.counts.panics.Inc()
				s.cfg.Log.Error("request hit a fault", "method", r.Method, "route", routeOf(r), "fault", fault, "stack", string(debug.Stack()))
				Problem(w, http.StatusInternalServerError, codeInternal, faultText)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// sameOrigin refuses what another site's page sends with this site's cookie.
func sameOrigin(next http.Handler) http.Handler {
	p := http.NewCrossOriginProtection()
	p.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		Problem(w, http.StatusForbidden, codeOrigin, "A page of another site sent this. Open this server's own page and try again.")
	}))
	return p.Handler(next)
}

// limit holds each address to n requests in a window. Loopback is let through:
// it is the operator's own machine, or his proxy, behind which all look alike.
func limit(n int, window time.Duration) func(http.Handler) http.Handler {
	limiter := httprate.NewRateLimiter(n, window,
		httprate.WithKeyFuncs(func(r *http.Request) (string, error) {
			return httprate.CanonicalizeIP(remote(r).Addr().String()), nil
		}),
		httprate.WithResponseHeaders(httprate.ResponseHeaders{RetryAfter: "Retry-After"}),
		httprate.WithLimitHandler(func(w http.ResponseWriter, _ *http.Request) {
			Problem(w, http.StatusTooManyRequests, codeThrottled, "Too many requests from this address. Wait a few seconds and try again.")
		}))
	return func(next http.Handler) http.Handler {
		limited := limiter.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if remote(r).Addr().IsLoopback() {
				next.ServeHTTP(w, r)
				return
			}
			limited.ServeHTTP(w, r)
		})
	}
}

// remote returns who sent the request; the zero value if that cannot be told.
func remote(r *http.Request) netip.AddrPort {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$`)

// hostOf returns the Host of a request without its port, or "" if it is no
// host: the name ends up in addresses that are handed to clients.
func hostOf(r *http.Request) string {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil || hostName.MatchString(host) {
		return host
	}
	return ""
}

// validHost refuses a request whose Host header is none.
func (s *Server) validHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hostOf(r) == "" {
			Problem(w, http.StatusBadRequest, codeBadRequest, "The Host header names no host. Use the server's name or address.")
			return
		}
		next.ServeHTTP(w, r)
	})
}
