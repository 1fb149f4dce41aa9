package pull

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/redact"
)

// The words of a source.
const (
	always  = "always"
	watched = "watched"

	auto = "auto"
	tcp  = "tcp"
	udp  = "udp"
)

// maxURL bounds an address, in bytes.
const maxURL = 512

// hint is what most often is wrong with an address.
const hint = `write it as rtsp://user:password@camera:554/path; in a password write @ / ? # % as %40 %2F %3F %23 %25`

// checked returns a source with its defaults filled in, or what is wrong with
// it. It never quotes the address, because that holds the password.
func checked(s Source) (Source, *url.URL, error) {
	if !auth.ValidName(s.Stream) {
		return s, nil, auth.ErrName
	}
	switch s.Transport {
	case "":
		s.Transport = auto
	case auto, tcp, udp:
	default:
		return s, nil, ErrTransport
	}
	switch s.When {
	case "":
		s.When = always
	case always, watched:
	default:
		return s, nil, ErrWhen
	}
	u, err := parse(s.URL)
	return s, u, err
}

// parse reads the address of a camera. A special character that was not escaped
// in a password moves the border between user and host: it is found here, before
// a part of the password is looked up as a host's name.
func parse(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrURL, maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrURL, hint)
	}
	if u.Scheme != "rtsp" && u.Scheme != "rtsps" {
		return nil, fmt.Errorf("%w: it begins with rtsp:// or rtsps://", ErrURL)
	}
	astray := u.User == nil && strings.Contains(raw, "@")
	if u.Hostname() == "" || u.Opaque != "" || u.Fragment != "" || astray || u.Port() == "0" {
		return nil, fmt.Errorf("%w: %s", ErrURL, hint)
	}
	return u, nil
}

// unmasked puts the secrets of the stored address into one that was shown to a
// person and came back, where user and host are the same. Anywhere else they
// would be sent to somebody who may not have them.
func unmasked(raw, stored string) (string, error) {
	mark := redact.Camera().Mark
	if !strings.Contains(raw, mark) {
		return raw, nil
	}
	old, err := parse(stored)
	if err != nil {
		return "", ErrMasked
	}
	if raw == redact.Camera().URL(old) {
		return stored, nil
	}
	u, err := parse(raw)
	if err != nil {
		return "", err
	}
	pass, _ := u.User.Password()
	same := u.Scheme == old.Scheme && strings.EqualFold(u.Host, old.Host) && u.User.Username() == old.User.Username()
	if pass != mark || !same {
		return "", ErrMasked
	}
	u.User = old.User
	if strings.Contains(redactedPath(u), mark) {
		return "", ErrMasked
	}
	return u.String(), nil
}

// redactedPath is all of an address but user and host.
func redactedPath(u *url.URL) string { return u.EscapedPath() + "?" + u.RawQuery }

// stored reads a source out of the storage.
func stored(stream string, body []byte) (Source, error) {
	var s Source
	if err := json.Unmarshal(body, &s); err != nil {
		return s, err
	}
	s.Stream = stream
	s, _, err := checked(s)
	return s, err
}
