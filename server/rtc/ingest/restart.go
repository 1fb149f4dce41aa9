package ingest

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// ErrFingerprint says that an offer comes from another client than the first.
var ErrFingerprint = errors.New("the certificate is not the one that the first offer named")

// agreed is what the first offer and answer agreed on, which an ICE restart
// leaves as it is.
type agreed struct {
	print    offer.Fingerprint
	sections []string // "video 1", for each m-section of the offer
	answer   string

	// guarded by the publisher's mu
	restarts int
}

func newAgreed(o *offer.Offer, answer string) agreed {
	return agreed{print: o.Fingerprint, sections: sectionsOf(o), answer: answer}
}

func sectionsOf(o *offer.Offer) []string {
	list := make([]string, len(o.Sections))
	for i, s := range o.Sections {
		list[i] = s.Kind.String() + " " + s.Mid
	}
	return list
}

// RestartICE begins a new ICE generation (RFC 8445 section 9) with a client that
// gave its new credentials, and returns the credentials of ours. Media go on over
// the old path until the client has proved a new one.
func (p *Publisher) RestartICE(client lite.Credentials) (lite.Credentials, error) {
	c, err := p.mux.agent.Restart(client)
	if reason := p.Reason(); reason != nil {
		return c, reason
	}
	return c, err
}

// Restart answers the offer of an ICE restart. It must offer the same media as
// the first; otherwise it returns ErrFingerprint or an *offer.Error and nothing
// changes.
func (p *Publisher) Restart(o *offer.Offer) (answer string, err error) {
	if o.Fingerprint != p.agreed.print {
		return "", ErrFingerprint
	}
	if !slices.Equal(sectionsOf(o), p.agreed.sections) {
		return "", offer.Unusable("The offer has other m-lines than the first. To change the media, start a new session.")
	}
	c, err := p.RestartICE(lite.Credentials{Ufrag: o.Ufrag, Password: o.Password})
	if err != nil {
		return "", err
	}
	p.state.mu.Lock()
	p.agreed.restarts++
	n := p.agreed.restarts
	p.state.mu.Unlock()
	return withCredentials(p.agreed.answer, c, n), nil
}

// withCredentials returns the answer to the n-th restart: the first one with
// other credentials and the version of the session (RFC 8866 section 5.2)
// increased by n.
func withCredentials(answer string, c lite.Credentials, n int) string {
	var b strings.Builder
	for line := range strings.Lines(answer) {
		switch {
		case strings.HasPrefix(line, "o="):
			line = laterOrigin(strings.TrimRight(line, "\r\n"), n) + "\r\n"
		case strings.HasPrefix(line, "a=ice-ufrag:"):
			line = "a=ice-ufrag:" + c.Ufrag + "\r\n"
		case strings.HasPrefix(line, "a=ice-pwd:"):
			line = "a=ice-pwd:" + c.Password + "\r\n"
		}
		b.WriteString(line)
	}
	return b.String()
}

// laterOrigin adds n to the version in "o=- id version IN IP4 0.0.0.0".
func laterOrigin(line string, n int) string {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return line
	}
	version, err := strconv.ParseUint(fields[2], 10, 63)
	if err != nil {
		return line
	}
	fields[2] = strconv.FormatUint(version+uint64(n), 10)
	return strings.Join(fields, " ")
}
