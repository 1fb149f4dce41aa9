package rtc

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
)

// ICE hands out TURN credentials.
type ICE interface {
	// Servers returns the ICE servers with credentials for one holder, a
	// session or a connection under a name that is not secret. host is the
	// host, and the port if any, by which the client reached the server.
	Servers(holder, host string) []ICEServer
	// Revoke ends the credentials of a holder.
	Revoke(holder string)
}

// ICEServer is an RTCIceServer as browsers take it.
type ICEServer struct {
	URLs       []string `json:"urls"`
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

type noICE struct{}

func (noICE) Servers(string, string) []ICEServer { return nil }
func (noICE) Revoke(string)                      {}

// lease is ICE credentials of one holder, that are revoked when nobody uses them
// any more: a channel and its sessions share theirs.
type lease struct {
	// set at construction
	ice    ICE
	holder string // not secret

	// atomic
	users atomic.Int32
}

// newLease returns a lease with one user.
func newLease(ice ICE) *lease {
	l := &lease{ice: ice, holder: rand.Text()}
	l.users.Store(1)
	return l
}

// share adds a user.
func (l *lease) share() *lease {
	l.users.Add(1)
	return l
}

// release is called once by each user.
func (l *lease) release() {
	if l.users.Add(-1) <= 0 {
		l.ice.Revoke(l.holder)
	}
}

// servers makes credentials. If the last user has gone meanwhile, they were
// revoked before they were made, so they are once more.
func (l *lease) servers(host string) []ICEServer {
	servers := l.ice.Servers(l.holder, host)
	if l.users.Load() <= 0 {
		l.ice.Revoke(l.holder)
	}
	return servers
}

// addLinks sets one Link header for each URL (RFC 9725 section 4.6).
func addLinks(h http.Header, servers []ICEServer) {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	for _, s := range servers {
		for _, u := range s.URLs {
			link := fmt.Sprintf(`<%s>; rel="ice-server"`, u)
			if s.Username != "" {
				link += fmt.Sprintf(`; username="%s"; credential="%s"; credential-type="password"`,
					quote.Replace(s.Username), quote.Replace(s.Credential))
			}
			h.Add("Link", link)
		}
	}
}
