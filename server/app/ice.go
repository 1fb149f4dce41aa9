package app

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/rtc"
	"github.com/heliograph/heliograph/turn"
)

// ice hands out the TURN server's credentials to rtc, which does not know it.
type ice struct {
	// set at construction
	turn   *turn.Server
	secure *encryption
	port   uint16 // as the world knows it

	// guarded by mu
	mu     sync.Mutex
	issued map[string][]credential // by holder, newest last
}

type credential struct {
	username, password string
	expires            time.Time
}

// freshFor is how long credentials must still hold to be given out again.
const freshFor = 45 * time.Minute

func newICE(s *turn.Server, secure *encryption, port uint16) *ice {
	return &ice{turn: s, secure: secure, port: port, issued: map[string][]credential{}}
}

// Servers implements rtc.ICE. A client that names another port than the world
// has been told of is given that too: it may be the one under which a container
// is published, of which nobody has told the server, and then it is the only
// way. Or it is a proxy's, which refuses, and nothing is lost.
func (i *ice) Servers(holder, authority string) []rtc.ICEServer {
	ports := []uint16{i.port}
	host, number, err := net.SplitHostPort(authority)
	if err != nil {
		host = strings.Trim(authority, "[]")
	} else if n, err := strconv.ParseUint(number, 10, 16); err == nil && n > 0 && uint16(n) != i.port {
		ports = append(ports, uint16(n))
	}
	var urls []string
	for _, p := range ports {
		urls = append(urls, turn.URLs(host, i.secure.turnHost(host), p)...)
	}
	c := i.credential(holder)
	return []rtc.ICEServer{{URLs: urls, Username: c.username, Credential: c.password}}
}

// credential returns what the holder has while it is fresh, else a new one.
func (i *ice) credential(holder string) credential {
	i.mu.Lock()
	defer i.mu.Unlock()
	issued := i.issued[holder]
	if n := len(issued); n > 0 && time.Until(issued[n-1].expires) > freshFor {
		return issued[n-1]
	}
	var c credential
	c.username, c.password, c.expires = i.turn.Credentials(holder)
	i.issued[holder] = append(issued, c)
	return c
}

// Revoke implements rtc.ICE.
func (i *ice) Revoke(holder string) {
	i.mu.Lock()
	issued := i.issued[holder]
	delete(i.issued, holder)
	i.mu.Unlock()
	for _, c := range issued {
		i.turn.Revoke(c.username)
	}
}
