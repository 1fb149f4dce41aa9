package egress

import (
	"fmt"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// UnsupportedError says that a viewer cannot be sent a stream in any codec.
type UnsupportedError struct {
	Kind      media.Kind
	Codec     string            // of the stream
	Diagnoses []media.Diagnosis // what else is wrong with the stream's track
}

// Error names the codec.
func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("the viewer cannot play the stream's %s, which is %s", e.Kind, e.Codec)
}

// choose returns the track of a kind that a viewer with these payload types
// can be sent: the source's own, one that the server makes of it, or in the
// end, because nobody is to be turned away for a mere suspicion, the source's
// own as long as it may play.
func choose(s *hub.Stream, k media.Kind, payloads []payload) *hub.Track {
	chosen := func(plays func(media.Traits, media.Codec) bool) *hub.Track {
		return s.Choose(k, func(c media.Codec, t media.Traits) bool {
			_, ok := match(payloads, c)
			return ok && plays(t, c)
		})
	}
	if t := chosen(media.Traits.Plays); t != nil {
		return t
	}
	return chosen(media.Traits.MayPlay)
}

// unplayable returns an *UnsupportedError when the viewer, with what it
// offered, cannot be sent the stream. Sound that it cannot be sent is left out
// as long as it can be sent pictures.
func (v *Viewer) unplayable(s *hub.Stream) error {
	var lacks *UnsupportedError
	for _, l := range v.lanes {
		t := s.Track(l.kind)
		if t == nil {
			continue
		}
		if choose(s, l.kind, l.payloads) != nil {
			if l.kind == media.Video {
				return nil
			}
			continue
		}
		if lacks == nil {
			lacks = &UnsupportedError{Kind: l.kind, Codec: t.Codec().Name, Diagnoses: media.Diagnose(l.kind, t.Codec(), t.Traits())}
		}
	}
	if lacks == nil {
		return nil
	}
	return lacks
}
