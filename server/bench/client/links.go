package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/pion/stun/v4"
)

// maxLinks bounds the links that are looked at.
const maxLinks = 32

// ErrNoRelay says that the server's answer names no TURN server.
var ErrNoRelay = errors.New(`the server's answer names no TURN server (a Link header with rel="ice-server"), ` +
	"so no viewer can come through one: does the server have TURN?")

// TURNServer is a TURN server named by a WHEP answer (RFC 9725 section 4.6).
type TURNServer struct {
	uri                  *stun.URI
	username, credential string
}

// ReadLinks returns the TURN servers in the Link headers of an answer.
func ReadLinks(h http.Header) []TURNServer {
	var list []TURNServer
	for _, value := range h.Values("Link") {
		for len(value) > 0 && len(list) < maxLinks {
			var target string
			var params map[string]string
			target, params, value = nextLink(value)
			if !strings.EqualFold(params["rel"], "ice-server") {
				continue
			}
			uri, err := stun.ParseURI(target)
			if err != nil || uri.Scheme != stun.SchemeTypeTURN && uri.Scheme != stun.SchemeTypeTURNS {
				continue
			}
			list = append(list, TURNServer{uri, params["username"], params["credential"]})
		}
	}
	return list
}

// nextLink reads `<target>; name="value"; …` up to the comma before the next
// link (RFC 8288 section 3).
func nextLink(s string) (target string, params map[string]string, rest string) {
	_, s, _ = strings.Cut(s, "<")
	target, s, _ = strings.Cut(s, ">")
	params = map[string]string{}
	for {
		s = strings.TrimLeft(s, " \t")
		if !strings.HasPrefix(s, ";") {
			break
		}
		var name, value string
		name, value, s = nextParam(s[1:])
		if _, twice := params[name]; !twice {
			params[name] = value
		}
	}
	_, rest, _ = strings.Cut(s, ",")
	return target, params, rest
}

// nextParam reads `name="value"` or `name=value`.
func nextParam(s string) (name, value, rest string) {
	end := strings.IndexAny(s, "=;,")
	if end < 0 {
		return strings.ToLower(strings.TrimSpace(s)), "", ""
	}
	name = strings.ToLower(strings.TrimSpace(s[:end]))
	if s[end] != '=' {
		return name, "", s[end:]
	}
	s = strings.TrimLeft(s[end+1:], " \t")
	if !strings.HasPrefix(s, `"`) {
		end = strings.IndexAny(s, ";,")
		if end < 0 {
			end = len(s)
		}
		return name, strings.TrimSpace(s[:end]), s[end:]
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return name, b.String(), s[i+1:]
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return name, b.String(), ""
}

// RelayOf picks the TURN server to use in a way. Where the server names none for
// this way, one that it names for another is asked: a server that hides TURN by
// UDP from browsers, or TLS for want of a certificate that they trust, may have
// both at the same port.
func RelayOf(list []TURNServer, way Way) (Relay, error) {
	if len(list) == 0 {
		return Relay{}, ErrNoRelay
	}
	best := list[0]
	for _, s := range list {
		if wayOf(s.uri) == way {
			best = s
			break
		}
	}
	if best.username == "" || best.credential == "" {
		return Relay{}, fmt.Errorf("the server's answer names a TURN server without a username or without a credential")
	}
	return Relay{
		Way: way, Host: best.uri.Host, Port: best.uri.Port, Username: best.username, Password: best.credential,
	}, nil
}

func wayOf(u *stun.URI) Way {
	switch {
	case u.Scheme == stun.SchemeTypeTURNS:
		return TLS
	case u.Proto == stun.ProtoTypeTCP:
		return TCP
	}
	return UDP
}
