package transcode

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/queue"
)

// Bounds of what waits for a child.
const (
	maxSounds     = 512      // frames of audio: 10 s, of which the oldest are dropped
	maxPictures   = 1500     // frames of video, after which it goes on with a keyframe
	maxQueueBytes = 32 << 20 // of video

	// What waited longer than this is too late to be made into anything: a
	// child that is too slow skips, and the delay stays.
	maxWait = time.Second
)

// arrival is a frame and when it came.
type arrival struct {
	frame *media.Frame
	at    time.Time
}

// size is what counts of a frame against maxQueueBytes.
func (a arrival) size() (n int64) {
	for _, u := range a.frame.Units {
		n += int64(len(u))
	}
	return n
}

// intake takes a track's frames without ever blocking and keeps them for the
// goroutine that feeds the child.
type intake struct {
	// set at construction
	kind    media.Kind
	maxWait time.Duration
	queue   *queue.Queue[arrival]
	dropped *metric.Counter
	ask     func() // for a keyframe, which browsers send no other way; nothing for audio

	// guarded by the track, which writes from one goroutine at a time
	broken bool // a frame of video was lost: what follows decodes from the next keyframe on

	// owned by the goroutine that takes
	stale bool // as broken, for frames that waited for too long

	// atomic
	bytes atomic.Int64
	once  sync.Once
}

var _ hub.FrameSink = (*intake)(nil)

func newIntake(kind media.Kind, wait time.Duration, dropped *metric.Counter) *intake {
	in := &intake{kind: kind, maxWait: wait, dropped: dropped, ask: func() {}}
	if kind == media.Video {
		in.queue = queue.New[arrival](maxPictures)
	} else {
		in.queue = queue.NewDropOldest[arrival](maxSounds)
	}
	return in
}

// WriteFrame keeps a frame, or gives up the oldest one; of video the newest
// and all up to a keyframe.
func (in *intake) WriteFrame(f *media.Frame) {
	a := arrival{f, time.Now()}
	if in.kind == media.Audio {
		if !in.queue.Push(a) {
			in.dropped.Inc()
		}
		return
	}
	n := a.size()
	if in.broken && !f.Keyframe || in.bytes.Load()+n > maxQueueBytes || !in.queue.Push(a) {
		in.broken = true
		in.dropped.Inc()
		in.ask()
		return
	}
	in.broken = false
	in.bytes.Add(n)
}

// Close is called when the stream has ended; the hub then ends the conversion
// too.
func (in *intake) Close(error) { in.once.Do(in.queue.Close) }

// take returns the next frame that did not wait for too long since the child
// was there to take it; of video, one that decodes after those taken before.
func (in *intake) take(ctx context.Context, since time.Time) (arrival, error) {
	for {
		a, err := in.queue.Pop(ctx)
		if err != nil {
			return a, err
		}
		if in.kind == media.Video {
			in.bytes.Add(-a.size())
		}
		ready := a.at
		if ready.Before(since) {
			ready = since
		}
		late := time.Since(ready) > in.maxWait
		if !late && (!in.stale || in.kind == media.Audio || a.frame.Keyframe) {
			in.stale = false
			return a, nil
		}
		in.stale = true
		in.dropped.Inc()
		in.ask()
	}
}
