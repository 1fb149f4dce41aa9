package rtc

import (
	"fmt"
	"net/http"
	"strings"
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

// iceServers are those of a session. One that has ended meanwhile has had its
// credentials revoked before they were made, so they are once more.
func (s *Server) iceServers(e *session, host string) []ICEServer {
	servers := s.cfg.ICE.Servers(e.holder, host)
	select {
	case <-e.media.Done():
		s.cfg.ICE.Revoke(e.holder)
	default:
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
