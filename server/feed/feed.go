// Package feed gives the frames of one stream, audio and video in the order of
// time, to those who write them into one connection: players of RTMP and SRT,
// and everything that is pushed elsewhere. It knows no protocol.
//
// A feed never holds its stream up. Whoever reads too slowly loses frames, and
// video goes on at the next keyframe.
package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/queue"
)

const (
	defaultFrames = 1536                   // more than a track holds since its keyframe, which all come at once
	maxBytes      = 32 << 20               // of frames that wait
	settle        = 400 * time.Millisecond // a publisher that comes back names its tracks one by one
)

// ErrChanged says that the stream has other tracks or codecs now: close the
// feed and open another.
var ErrChanged = errors.New("the stream's tracks have changed")

// UnsupportedError says that none of a stream's tracks can be carried.
type UnsupportedError struct {
	Codecs []string // of the stream
}

// Error names the codecs.
func (e *UnsupportedError) Error() string {
	if len(e.Codecs) == 0 {
		return "the stream has no audio or video yet"
	}
	return fmt.Sprintf("the stream is %s, which this protocol cannot carry", strings.Join(e.Codecs, " and "))
}

// PictureError says that the picture of a stream cannot be carried, and that
// its reader has no use for the sound alone.
type PictureError struct {
	Codec   string // of the picture
	Carrier string // what cannot carry it, as "RTMP"
}

// Error is a sentence for who sends the stream somewhere.
func (e *PictureError) Error() string {
	return fmt.Sprintf("The picture is %s, which %s cannot carry, and this server cannot re-encode it now: "+
		"that needs ffmpeg, and a processor core for each picture. Let the publisher send H264.", e.Codec, e.Carrier)
}

// Config says what a feed is for.
type Config struct {
	Whole  string                               // by whom, as "RTMP", no picture may be left out: Open then fails with *PictureError; "" leaves it out
	Accept func(media.Codec, media.Traits) bool // what can be carried; nil for everything
	Frames int                                  // how many may wait to be read; 0 for 1,536
}

// Item is one frame and when it is to be shown.
type Item struct {
	Track *hub.Track
	Time  time.Duration // since the feed's beginning, on one line for all tracks
	Frame *media.Frame
}

// Feed is one reader's hold on a stream.
type Feed struct {
	// set at construction
	sub    *hub.Subscription
	config Config
	choice hub.Choice
	lanes  []*lane // of the chosen tracks
	queue  *queue.Queue[Item]
	origin origin

	// atomic
	dropped atomic.Uint64
	waiting atomic.Int64 // bytes of frames that wait
	changed atomic.Bool

	once sync.Once // guards the closing
}

// origin is the moment at which a feed's time begins.
type origin struct {
	mu sync.Mutex
	at time.Time
}

// since returns how long after the beginning, which is the first moment asked
// for, a moment is.
func (o *origin) since(at time.Time) time.Duration {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.at.IsZero() {
		o.at = at
	}
	return at.Sub(o.at)
}

// Open begins to read a stream, video at its last keyframe. The subscription
// belongs to the feed from now on, whatever the outcome. It returns
// *UnsupportedError when nothing of the stream can be carried, and *PictureError
// when a picture would have to be left out that must not be.
func Open(ctx context.Context, sub *hub.Subscription, c Config) (*Feed, error) {
	if c.Frames == 0 {
		c.Frames = defaultFrames
	}
	if c.Accept == nil {
		c.Accept = func(media.Codec, media.Traits) bool { return true }
	}
	f := &Feed{sub: sub, config: c, queue: queue.New[Item](c.Frames)}
	if err := sub.AwaitTracks(ctx); err != nil {
		sub.Close(err)
		return nil, err
	}
	f.choice = sub.Stream().ChooseAll(c.Accept)
	if err := f.unsupported(); err != nil {
		sub.Close(err)
		return nil, err
	}
	sub.Bind(f.check, func(error) { f.queue.Close() })
	for i, t := range f.choice.Tracks {
		l := &lane{feed: f, track: t, codec: f.choice.Codecs[i]}
		f.lanes = append(f.lanes, l)
		if err := l.attach(); err != nil {
			f.Close(err)
			return nil, err
		}
	}
	f.check() // for what changed before we were told of changes
	return f, nil
}

// unsupported says why what can be carried is too little, nil when it is not.
func (f *Feed) unsupported() error {
	if left := f.config.lacks(f.choice); left != nil {
		return &PictureError{Codec: left.Codec().Name, Carrier: f.config.Whole}
	}
	if len(f.choice.Tracks) > 0 {
		return nil
	}
	e := &UnsupportedError{}
	for _, c := range f.Left() {
		e.Codecs = append(e.Codecs, c.Name)
	}
	return e
}

// lacks returns the picture that is left out and must not be, nil for none.
func (c Config) lacks(choice hub.Choice) *hub.Track {
	for _, t := range choice.Left {
		if c.Whole != "" && t.Kind() == media.Video {
			return t
		}
	}
	return nil
}

// Tracks returns what the feed gives, video first.
func (f *Feed) Tracks() []*hub.Track { return f.choice.Tracks }

// Left returns the codecs of the tracks that cannot be carried.
func (f *Feed) Left() []media.Codec {
	var list []media.Codec
	for _, t := range f.choice.Left {
		list = append(list, t.Codec())
	}
	return list
}

// Dropped returns how many frames were lost because they were not read in time.
func (f *Feed) Dropped() uint64 { return f.dropped.Load() }

// Next waits for the next frame. It returns ErrChanged, why the subscription
// ended, or the error of ctx.
func (f *Feed) Next(ctx context.Context) (Item, error) {
	item, err := f.queue.Pop(ctx)
	if err == nil {
		f.waiting.Add(-item.bytes())
	}
	if !errors.Is(err, queue.ErrClosed) {
		return item, err
	}
	if f.changed.Load() {
		return item, ErrChanged
	}
	if reason := f.sub.Reason(); reason != nil {
		return item, reason
	}
	return item, hub.ErrEnded
}

// push has a frame wait to be read, and reports false when too much waits.
func (f *Feed) push(item Item) bool {
	n := item.bytes()
	if f.waiting.Add(n) > maxBytes || !f.queue.Push(item) {
		f.waiting.Add(-n)
		f.dropped.Add(1)
		return false
	}
	return true
}

func (i Item) bytes() (n int64) {
	for _, u := range i.Frame.Units {
		n += int64(len(u))
	}
	return n
}

// check looks at the tracks again once a change has settled.
func (f *Feed) check() {
	if !f.same() {
		time.AfterFunc(settle, f.end)
	}
}

// end ends the feed when it would choose otherwise now.
func (f *Feed) end() {
	if !f.same() {
		f.changed.Store(true)
		f.queue.Close()
	}
}

func (f *Feed) same() bool {
	now := f.sub.Stream().ChooseAll(f.config.Accept)
	return f.config.lacks(now) == nil && now.Same(f.choice)
}

// Close ends the feed and its subscription. It may be called twice.
func (f *Feed) Close(reason error) {
	f.once.Do(func() {
		for _, l := range f.lanes {
			if l.detach != nil {
				l.detach()
			}
		}
		f.sub.Close(reason)
		f.queue.Close()
	})
}
