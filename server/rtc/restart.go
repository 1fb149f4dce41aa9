package rtc

import (
	"crypto/rand"
	"errors"
	"strings"
	"sync"

	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Why a PATCH was refused because of its If-Match.
var (
	errPrecondition  = errors.New("If-Match does not match")
	errUnconditional = errors.New("If-Match is missing")
)

// iceState is what is known of a session's ICE at its URL (RFC 9725 section
// 4.3.1).
type iceState struct {
	// set at construction
	section []string // m-line and mid of the offer's first section

	// guarded by mu
	mu    sync.Mutex
	ufrag string // of the client
	etag  string // of the ICE session
}

func newETag() string { return `"` + rand.Text()[:16] + `"` }

// begin is called for the offer that the session was opened with.
func (s *iceState) begin(o *offer.Offer) {
	s.ufrag, s.etag = o.Ufrag, newETag()
	for _, m := range o.Sections {
		if m.Refused() {
			continue
		}
		s.section = []string{"m=" + m.Kind.String() + " 9 UDP/TLS/RTP/SAVPF 0"}
		if m.Mid != "" {
			s.section = append(s.section, "a=mid:"+m.Mid)
		}
		return
	}
}

// tag returns the ETag of the session as it is.
func (s *iceState) tag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.etag
}

// allows checks an If-Match (RFC 9110 section 13.1.1); mu is held. The quoted
// star is of the RFC's own figure 4.
func (s *iceState) allows(match string) error {
	if match == "" {
		return errUnconditional
	}
	for tag := range strings.SplitSeq(match, ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || tag == `"*"` || tag == s.etag {
			return nil
		}
	}
	return errPrecondition
}

// patch does what a client's fragment asks for. Candidates that trickle are of
// no use to an ICE-lite agent, so they change nothing and answer is "". New
// credentials restart ICE: answer is the fragment with ours, and tag the new
// ETag. After an error the session is as it was.
func (e *session) patch(f offer.Fragment, match string, candidates []string) (answer, tag string, err error) {
	s := &e.ice
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.allows(match); err != nil {
		return "", "", err
	}
	if f.Ufrag == "" || f.Ufrag == s.ufrag {
		return "", "", nil
	}
	if err := f.CheckRestart(); err != nil {
		return "", "", err
	}
	c, err := e.media.RestartICE(lite.Credentials{Ufrag: strings.Clone(f.Ufrag), Password: strings.Clone(f.Password)})
	if err != nil {
		return "", "", err
	}
	section := f.Section
	if len(section) == 0 {
		section = s.section
	}
	s.ufrag, s.etag = strings.Clone(f.Ufrag), newETag()
	return lite.Fragment(c, candidates, section), s.etag, nil
}
