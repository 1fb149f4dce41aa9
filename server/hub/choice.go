package hub

import (
	"context"
	"slices"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// How long a subscription waits for tracks, and how often it looks.
const (
	firstTrack = 5 * time.Second
	otherTrack = 700 * time.Millisecond // the second kind of a stream that has just begun
	tracksPoll = 20 * time.Millisecond
)

// AwaitTracks waits until the stream has its tracks, since a publisher has none
// at first and may name them one after the other. A stream that has none in
// time is no error: its Choice is empty. It returns why the subscription ended,
// or the error of ctx.
func (sub *Subscription) AwaitTracks(ctx context.Context) error {
	begin := time.Now()
	tick := time.NewTicker(tracksPoll)
	defer tick.Stop()
	for {
		n := len(sub.stream.Tracks())
		if n > 1 || n == 1 && sub.stream.age() > otherTrack || time.Since(begin) > firstTrack {
			return nil
		}
		select {
		case <-tick.C:
		case <-sub.Done():
			return sub.Reason()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// age is how long ago the stream went live.
func (s *Stream) age() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(time.UnixMilli(s.info.Since))
}

// Choice is what somebody takes of a stream: at most one track of a kind, video
// first.
type Choice struct {
	Tracks []*Track
	Codecs []media.Codec // of the tracks, when they were chosen
	Left   []*Track      // the source's own for which there is none that could be taken
}

// ChooseAll is Choose for every kind of track that the stream has.
func (s *Stream) ChooseAll(accept func(media.Codec, media.Traits) bool) Choice {
	var c Choice
	for _, kind := range []media.Kind{media.Video, media.Audio} {
		own := s.Track(kind)
		if own == nil {
			continue
		}
		if t := s.Choose(kind, accept); t != nil {
			c.Tracks, c.Codecs = append(c.Tracks, t), append(c.Codecs, t.Codec())
		} else {
			c.Left = append(c.Left, own)
		}
	}
	return c
}

// Same tells whether two choices take the same tracks in the same codecs.
func (c Choice) Same(o Choice) bool {
	return slices.Equal(c.Tracks, o.Tracks) && slices.Equal(c.Codecs, o.Codecs)
}
