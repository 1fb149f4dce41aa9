package feed

import (
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// How a lane's time follows the track's: steps are those of the timestamps,
// corrected by little, unless they are wrong by much.
const (
	maxSlew = time.Millisecond // a frame
	maxOff  = 500 * time.Millisecond
)

// squeeze is how much faster than it was the time of video goes up to the feed's
// beginning: a player is to see where the stream is, and not to stay behind by
// the age of the last keyframe. Pictures keep their order, because the time of
// one depends on nothing but its moment.
const squeeze = 16

// lane is one track on its way into a feed. It is called by one goroutine at
// a time.
type lane struct {
	// set at construction
	feed   *Feed
	track  *hub.Track
	codec  media.Codec
	detach func()

	// owned by the track's writer
	begin   time.Time // when the lane was attached
	begun   bool
	waiting bool // for a keyframe
	stamp   uint32
	time    time.Duration
}

var _ hub.FrameSink = (*lane)(nil)

func (l *lane) attach() (err error) {
	l.waiting, l.begin = l.track.Kind() == media.Video, time.Now()
	l.detach, err = l.track.AttachFrames(l)
	return err
}

// WriteFrame hands a frame on to the reader, or drops it when he is behind.
func (l *lane) WriteFrame(f *media.Frame) {
	if l.track.Codec() != l.codec {
		return
	}
	if l.waiting && !f.Keyframe {
		l.track.RequestKeyframe(0) // browsers send none by themselves
		return
	}
	moment, ok := l.track.TimeOf(f.Timestamp)
	if !ok {
		return
	}
	at := l.place(f.Timestamp, moment)
	if at < 0 {
		return // sound from before the feed's first picture
	}
	l.waiting = !l.feed.push(Item{Track: l.track, Time: at, Frame: f}) && l.track.Kind() == media.Video
}

// place returns a frame's time. Times of one track are as far apart as its
// timestamps say, so that a player sees no jitter of our clocks.
func (l *lane) place(stamp uint32, moment time.Time) time.Duration {
	if l.track.Kind() == media.Video && moment.Before(l.begin) {
		return l.feed.origin.since(l.begin.Add(-l.begin.Sub(moment) / squeeze))
	}
	want := l.feed.origin.since(moment)
	if !l.begun {
		l.begun, l.stamp, l.time = true, stamp, want
		return want
	}
	at := l.time + time.Duration(int64(int32(stamp-l.stamp))*int64(time.Second)/int64(l.codec.ClockRate))
	switch off := want - at; {
	case off > maxOff || off < -maxOff:
		at = want
	default:
		at += min(max(off, -maxSlew), maxSlew)
	}
	if int32(stamp-l.stamp) > 0 {
		l.stamp, l.time = stamp, at
	}
	return at
}

// Close is called when the stream has ended; the subscription tells the feed.
func (l *lane) Close(error) {}
