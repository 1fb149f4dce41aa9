package rtsp

import (
	"context"
	"errors"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

const (
	// patience is how many packets may pass before one that is missing is given
	// up; sources by UDP and WebRTC send some late.
	patiencePackets = 64
	// retryTime is how long a full queue is left alone.
	retryTime = 20 * time.Millisecond
)

// recorder is a connection that takes packets of a stream.
type recorder interface {
	writer
	Wait() error
}

// pump sends a stream's packets from the tracks' rings, from a keyframe on. When
// the connection is too slow it leaves out what the rings do not hold any more
// and goes on with a keyframe.
type pump struct {
	// set at construction
	out    recorder
	stage  *stage
	sent   func(bytes int)
	tracks []*pumped
	wake   chan struct{}
}

// pumped is one track of a pump.
type pumped struct {
	feeder *feeder
	next   uint64 // of the packet to send
	lost   bool   // what follows does not decode before the next keyframe
	err    error  // of the last packet
}

// waker wakes a pump when a packet comes.
type waker struct{ wake chan struct{} }

var _ hub.PacketSink = waker{}

// WritePacket wakes the pump.
func (w waker) WritePacket(*media.Packet) {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Close does nothing: the subscription says that the stream has ended.
func (w waker) Close(error) {}

func newPump(out recorder, st *stage, d *description.Session, sent func(bytes int)) *pump {
	p := &pump{out: out, stage: st, sent: sent, wake: make(chan struct{}, 1)}
	for i, t := range st.choice.Tracks {
		track := &pumped{}
		track.feeder = &feeder{
			track: t, codec: st.choice.Codecs[i], media: d.Medias[i], payloadType: d.Medias[i].Formats[0].PayloadType(), out: out,
			sent: func(bytes int, err error) { track.err = err },
		}
		p.tracks = append(p.tracks, track)
	}
	return p
}

// run sends until the stream or the connection ends, ctx ends, or the tracks
// are others.
func (p *pump) run(ctx context.Context, sub *hub.Subscription, c *camera) error {
	changed := make(chan struct{}, 1)
	sub.Bind(func() { waker{changed}.WritePacket(nil) }, func(error) {})
	lost := make(chan error, 1)
	go func() { lost <- p.out.Wait() }()
	for _, t := range p.tracks {
		defer t.feeder.track.Attach(waker{p.wake})()
		t.begin()
	}
	var retry, doubt <-chan time.Time
	if p.stage.stale() {
		doubt = time.After(changeTime)
	}
	for {
		select {
		case <-p.wake:
		case <-retry:
		case <-changed:
			doubt = time.After(changeTime)
		case <-doubt:
			if p.stage.stale() {
				return errChanged
			}
		case <-sub.Done():
			return sub.Reason()
		case err := <-lost:
			return c.explain(err)
		case <-ctx.Done():
			return nil
		}
		retry = nil
		for _, t := range p.tracks {
			if !t.send(p.sent) {
				retry = time.After(retryTime)
			}
		}
	}
}

// begin finds the packet to begin with.
func (t *pumped) begin() {
	track := t.feeder.track
	t.next = track.Ring().Head()
	if track.Kind() != media.Video {
		return
	}
	if k, ok := track.Ring().Keyframe(); ok {
		t.next = k
		return
	}
	t.lost = true
	track.RequestKeyframe(0)
}

// send sends what has come; false when the queue is full.
func (t *pumped) send(sent func(bytes int)) bool {
	ring := t.feeder.track.Ring()
	head := ring.Head()
	if t.next < ring.Tail() {
		t.next = ring.Tail()
		t.lost = t.feeder.track.Kind() == media.Video
	}
	if t.lost {
		k, ok := ring.Keyframe()
		if !ok || k < t.next {
			t.next = max(t.next, head-min(head, patiencePackets))
			return true
		}
		t.next, t.lost = k, false
	}
	for ; t.next < head; t.next++ {
		packet := ring.Get(t.next)
		if packet == nil {
			if head-t.next <= patiencePackets {
				return true
			}
			continue
		}
		t.feeder.WritePacket(packet)
		if errors.As(t.err, new(liberrors.ErrClientWriteQueueFull)) {
			return false
		}
		sent(len(packet.Payload))
	}
	return true
}
