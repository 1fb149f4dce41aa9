package app

import (
	"net"
	"sync"

	"github.com/heliograph/heliograph/server/rtc"
	"github.com/heliograph/heliograph/turn"
)

// ice hands out the TURN server's credentials to rtc, which does not know it.
type ice struct {
	// set at construction
	turn *turn.Server
	port uint16

	// guarded by mu
	mu        sync.Mutex
	usernames map[string][]string // by holder
}

func newICE(s *turn.Server, port uint16) *ice {
	return &ice{turn: s, port: port, usernames: map[string][]string{}}
}

// Servers implements rtc.ICE.
func (i *ice) Servers(holder, host string) []rtc.ICEServer {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	username, password, _ := i.turn.Credentials(holder)
	i.mu.Lock()
	i.usernames[holder] = append(i.usernames[holder], username)
	i.mu.Unlock()
	return []rtc.ICEServer{{URLs: turn.URLs(host, i.port), Username: username, Credential: password}}
}

// Revoke implements rtc.ICE.
func (i *ice) Revoke(holder string) {
	i.mu.Lock()
	usernames := i.usernames[holder]
	delete(i.usernames, holder)
	i.mu.Unlock()
	for _, u := range usernames {
		i.turn.Revoke(u)
	}
}
