package push

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/netguard"
)

// maxURL bounds an address, in bytes: some services' keys are long tokens.
const maxURL = 2048

// hint is what most often is wrong with an address.
const hint = "copy it from the service, as rtmp://server/app/key; in a password write @ / ? # % as %40 %2F %3F %23 %25"

// checked returns a target's address, or what is wrong with the target. It never
// quotes the address, because that holds the key.
func (m *Manager) checked(t Target) (*url.URL, error) {
	if !auth.ValidName(t.Stream) {
		return nil, auth.ErrName
	}
	u, err := parse(t.URL)
	if err != nil {
		return nil, err
	}
	if m.cfg.Guarded.Senders[u.Scheme] == nil || m.cfg.Free.Senders[u.Scheme] == nil {
		known := slices.SortedFunc(maps.Keys(m.cfg.Guarded.Senders), byName)
		return nil, fmt.Errorf("%w: an address begins with one of %s", ErrScheme, strings.Join(known, ", "))
	}
	return u, nil
}

// byName sorts schemes, those last that say little about what is spoken.
func byName(a, b string) int {
	last := func(s string) string { return strings.Replace(s, "http", "~http", 1) }
	return strings.Compare(last(a), last(b))
}

// literal returns why the guard refuses the IP address that stands in a target's
// address. A name is checked when it is dialled, because what it stands for may
// change.
func (m *Manager) literal(t Target, u *url.URL) error {
	ip, ok := netguard.Literal(u.Hostname())
	if !ok || m.exit(t).Allow(ip) == nil {
		return nil
	}
	return fmt.Errorf("%w: %s", netguard.ErrRefused, strings.TrimSuffix(refused(u.Hostname(), t.Private), "."))
}

// parse reads the address of a target. A special character that was not escaped
// in a password moves the border between user and host: it is found here, before
// a part of the password is looked up as a host's name.
func parse(raw string) (*url.URL, error) {
	if len(raw) > maxURL {
		return nil, fmt.Errorf("%w: it has more than %d bytes", ErrURL, maxURL)
	}
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Opaque != "" || u.Fragment != "" || u.Port() == "0" {
		return nil, fmt.Errorf("%w: %s", ErrURL, hint)
	}
	if before, _, _ := strings.Cut(raw, "?"); u.User == nil && strings.Contains(before, "@") {
		return nil, fmt.Errorf("%w: %s", ErrURL, hint)
	}
	return u, nil
}

// stored reads a target out of the storage.
func stored(body []byte) (Target, error) {
	var t Target
	err := json.Unmarshal(body, &t)
	return t, err
}
