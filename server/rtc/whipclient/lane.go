package whipclient

import (
	"context"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// How a track is sent.
const (
	reorder   = 64                   // packets that one which is missing is waited for
	burst     = 16                   // packets at once
	burstRest = 2 * time.Millisecond // between two bursts: about 80 Mbit/s
)

// lane sends the packets of one track. The stream is never held up: a lane
// that is slow finds the ring further on.
type lane struct {
	// set at construction
	track *hub.Track
	out   *output
	sent  func(bytes int)
	wake  chan struct{}
}

var _ hub.PacketSink = (*lane)(nil)

// WritePacket wakes the sender.
func (l *lane) WritePacket(*media.Packet) {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close is called when the stream has ended, of which the subscription tells.
func (l *lane) Close(error) {}

// run sends from the last keyframe on until ctx ends.
func (l *lane) run(ctx context.Context) {
	ring := l.track.Ring()
	detach := l.track.Attach(l)
	defer detach()
	next := ring.Head()
	if l.track.Kind() == media.Video {
		if k, ok := ring.Keyframe(); ok {
			next = k
		} else {
			l.track.RequestKeyframe(0)
		}
	}
	for {
		next = l.catchUp(ctx, next)
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
	}
}

// catchUp sends what is there and returns the number of the next packet.
func (l *lane) catchUp(ctx context.Context, next uint64) uint64 {
	ring := l.track.Ring()
	lost := false
	for n := 0; next < ring.Head() && ctx.Err() == nil; next++ {
		p := ring.Get(next)
		if p == nil {
			if ring.Head()-next <= reorder {
				break
			}
			lost = true
			continue
		}
		l.sent(l.out.write(p))
		if n++; n%burst == 0 {
			pause(ctx, burstRest)
		}
	}
	if lost && l.track.Kind() == media.Video {
		l.track.RequestKeyframe(0)
	}
	return next
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
