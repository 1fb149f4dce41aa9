package hub

import (
	"context"
	"errors"

	"github.com/heliograph/heliograph/server/media"
)

// Source feeds a publication: a browser, an encoder, a camera, another node.
type Source interface {
	// RequestKeyframe asks for a keyframe of a track's layer. It must not block.
	RequestKeyframe(track *Track, layer int)
	// Close ends the source. It may be called twice and from anywhere.
	Close(reason error)
}

// PacketSink takes the RTP packets of one track. WritePacket must not block
// and must not change the packet.
type PacketSink interface {
	WritePacket(p *media.Packet)
	Close(reason error)
}

// FrameSink takes the frames of one track, under the rules of PacketSink.
type FrameSink interface {
	WriteFrame(f *media.Frame)
	Close(reason error)
}

// Finder brings a stream that is not here: a pull source, another node.
type Finder interface {
	Find(ctx context.Context, stream string) error
}

// Converter makes tracks out of tracks, for sinks that cannot take what the
// source sends: another codec, or the same one coded so that it plays.
type Converter interface {
	// Targets returns the codecs that it can make of a track, the best first.
	Targets(c media.Codec, t media.Traits) []media.Codec
	// Convert writes to what it makes of from until ctx ends, and returns
	// early only when it fails. The timestamps that it writes are those of
	// from, scaled to the clock rate of what it makes.
	Convert(ctx context.Context, from *Track, to *Input) error
}

// Observer is told what happens to streams. StreamEvent must not block and
// must not call back into the hub.
type Observer interface {
	StreamEvent(e Event)
}

// Errors of the hub; the doors map each to their protocol's own answer.
var (
	ErrDenied   = errors.New("the grant does not allow this")
	ErrBusy     = errors.New("somebody else is publishing this stream")
	ErrNotLive  = errors.New("the stream is not live")
	ErrReplaced = errors.New("the same publisher connected again")
	ErrEnded    = errors.New("the publisher ended the stream")
	ErrShutdown = errors.New("the server is shutting down")
)

// Both are ErrEnded too, and say more truly who ended what.
const (
	ErrAbandoned = ending("the publisher was lost and did not come back")
	ErrStopped   = ending("the client ended its session")
)

// ending is a reason that has the effect of ErrEnded.
type ending string

// Error returns the reason, for the log.
func (e ending) Error() string { return string(e) }

// Is makes the error one of ErrEnded.
func (ending) Is(target error) bool { return target == ErrEnded }

// UnavailableError is why a Finder could not bring a stream. It is ErrNotLive,
// with what a viewer may know.
type UnavailableError struct{ Detail string }

// Error returns the sentence for the viewer.
func (e *UnavailableError) Error() string { return e.Detail }

// Is makes the error one of ErrNotLive.
func (e *UnavailableError) Is(target error) bool { return target == ErrNotLive }

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	StreamLive   EventKind = "live"   // a publication feeds the stream
	StreamAway   EventKind = "away"   // the publication is gone, the grace time runs
	StreamEnded  EventKind = "ended"  // the grace time is over, or the publisher ended it
	StreamTracks EventKind = "tracks" // a track came, or changed its codec
	StreamCount  EventKind = "count"  // the number of viewers changed
	StreamData   EventKind = "data"   // the source sent a data message
)

// Event is one change of one stream, with the state after it.
type Event struct {
	Kind EventKind
	Info Info
	Data *Data // of StreamData only, whose Info is just the name
}
