package hub

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"image/jpeg"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/media"
)

// Limits of what a publisher may say about its stream.
const (
	MaxTitle      = 120      // characters
	MaxPoster     = 40 << 10 // bytes of JPEG
	maxPosterSide = 1280     // pixels
)

// Errors of a publisher's words and pictures.
var (
	ErrTitle  = fmt.Errorf("a title has at most %d characters", MaxTitle)
	ErrPoster = fmt.Errorf("a poster is a JPEG of at most %d bytes and %d pixels a side", MaxPoster, maxPosterSide)
)

// Bounds on the tracks that a publication adds: every viewer looks at the
// stream again at each, and every conversion begins anew.
const (
	trackEvery = time.Second // one on average
	trackBurst = 16
)

// ErrTracksQuick says that a publication changes its tracks time and again.
var ErrTracksQuick = errors.New("a publication may change its codecs once a second at most")

// Publication is one attempt to feed a stream; its source holds it.
type Publication struct {
	// set at construction
	stream *Stream
	source Source
	grant  auth.Grant
	host   string // where it came from
	resume string
	oblige bool // a keyframe comes when one is asked for
	done   chan struct{}
	clock  *publisherClock

	// guarded by the stream's mu
	dataDue  time.Time // when the data messages sent so far have had their time
	trackDue time.Time // as dataDue, of tracks that were added

	// guarded by once
	once   sync.Once
	reason error
}

func newPublication(s *Stream, src Source, g auth.Grant, o Options) *Publication {
	return &Publication{
		stream: s, source: src, grant: g, host: host(o.Peer), resume: rand.Text(), oblige: o.Obliging, done: make(chan struct{}), clock: &publisherClock{},
	}
}

// yieldsTo tells whether a new publication may take this one's place: the same
// subject or whoever knows its secret may. Where nobody has to say who he is,
// one that was lost yields to the address it came from, because an encoder that
// reconnects knows no secret. The stream's mu is held.
func (p *Publication) yieldsTo(g auth.Grant, o Options) bool {
	if g.Subject() != "" && g.Subject() == p.grant.Subject() {
		return true
	}
	if subtle.ConstantTimeCompare([]byte(o.Resume), []byte(p.resume)) == 1 {
		return true
	}
	anonymous := g.Subject() == "" && p.grant.Subject() == ""
	return anonymous && p.stream.info.State == Away && p.host == host(o.Peer)
}

// host returns a network address without its port.
func host(peer string) string {
	if h, _, err := net.SplitHostPort(peer); err == nil {
		return h
	}
	return peer
}

// Stream returns the stream that this publication feeds.
func (p *Publication) Stream() *Stream { return p.stream }

// Resume returns the secret with which the publisher can take over its own
// publication from a new connection.
func (p *Publication) Resume() string { return p.resume }

// Done is closed when the publication has ended; Reason then says why.
func (p *Publication) Done() <-chan struct{} { return p.done }

// Reason returns why the publication ended, nil while it runs.
func (p *Publication) Reason() error {
	select {
	case <-p.done:
		return p.reason
	default:
		return nil
	}
}

// Close ends the publication. With ErrEnded the stream ends at once; with any
// other reason its viewers are kept for the grace time. The source's Close is
// called with the same reason. A publication that was lost can still be closed
// with ErrEnded, as long as no other has followed it.
func (p *Publication) Close(reason error) {
	p.finish(reason)
	p.stream.unpublish(p, reason)
}

// SetAway tells viewers that nothing comes from the publisher for now, or that
// something does again. The publication goes on meanwhile: its source decides
// how long it may, and closes it in the end.
func (p *Publication) SetAway(away bool) { p.stream.setAway(p, away) }

func (p *Publication) finish(reason error) {
	p.once.Do(func() {
		p.reason = reason
		close(p.done)
		p.source.Close(reason)
	})
}

// AddTrack gives the stream a track of a kind, or goes on with the one it has,
// and returns what this publication writes to. One publication has at most one
// track of a kind. It returns ErrTracksQuick when codecs change all the time.
func (p *Publication) AddTrack(k media.Kind, c media.Codec) (*Input, error) {
	if p.Reason() != nil {
		return nil, p.Reason()
	}
	if c.ClockRate == 0 {
		return nil, errors.New("a track needs a clock rate")
	}
	in, err := p.stream.feed(p, k, c)
	if err != nil {
		return nil, err
	}
	p.stream.tracksChanged()
	return in, nil
}

// SetTitle changes what viewers see above the stream's name.
func (p *Publication) SetTitle(title string) error {
	if utf8.RuneCountInString(title) > MaxTitle {
		return ErrTitle
	}
	s := p.stream
	s.mu.Lock()
	if s.publication != p {
		s.mu.Unlock()
		return ErrReplaced
	}
	s.info.Title = title
	info := s.infoLocked()
	s.mu.Unlock()
	s.announce(StreamTracks, info)
	return nil
}

// SetPoster keeps a still of the running picture for lists of streams.
func (p *Publication) SetPoster(picture []byte) error {
	if len(picture) > MaxPoster {
		return ErrPoster
	}
	c, err := jpeg.DecodeConfig(bytes.NewReader(picture))
	if err != nil || c.Width > maxPosterSide || c.Height > maxPosterSide {
		return ErrPoster
	}
	s := p.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.publication != p {
		return ErrReplaced
	}
	s.poster = bytes.Clone(picture)
	s.posterVersion++
	return nil
}
