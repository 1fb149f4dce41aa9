package hub

import (
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// patience is how many packets the frame plane lets pass before it gives up
// one that is missing.
const patience = 64

// AttachFrames hands every frame from now on to sink until detach is called.
// A track whose source writes packets has its frames made once, however many
// sinks there are, and only while there are any. It returns media.ErrCodec
// when the codec has no frames that could be made.
func (t *Track) AttachFrames(sink FrameSink) (detach func(), err error) {
	if _, err := media.NewDepacketizer(t.Codec().Name); err != nil {
		return nil, err
	}
	t.frames.mu.Lock()
	defer t.frames.mu.Unlock()
	if len(t.frames.sinks) == 0 {
		t.frames.begin(t)
	}
	f := &frameAttachment{sink}
	t.frames.sinks = append(t.frames.sinks, f)
	return func() { t.frames.drop(f) }, nil
}

type frameAttachment struct{ FrameSink }

// framePlane is a track's frames and who takes them. It is a PacketSink of
// its own track while it has sinks.
type framePlane struct {
	mu     sync.Mutex
	track  *Track
	sinks  []*frameAttachment
	detach func() // from the packets
	next   uint64
	codec  string
	make   *media.Depacketizer
}

var _ PacketSink = (*framePlane)(nil)

// begin derives frames from the packets that follow; mu is held.
func (f *framePlane) begin(t *Track) {
	f.track, f.codec, f.next = t, "", t.ring.Head()
	f.detach = t.Attach(f)
}

func (f *framePlane) drop(a *frameAttachment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinks = without(f.sinks, a)
	if len(f.sinks) == 0 && f.detach != nil {
		f.detach()
		f.detach = nil
	}
}

// WritePacket takes the track's packets in order of their numbers: one that
// is late is waited for, one that does not come is given up.
func (f *framePlane) WritePacket(*media.Packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.detach == nil || f.track.framed.Load() {
		return
	}
	head := f.track.ring.Head()
	for ; f.next < head; f.next++ {
		p := f.track.ring.Get(f.next)
		if p == nil {
			if head-f.next <= patience {
				return
			}
			continue
		}
		f.push(p)
	}
}

// push gives one packet to the depacketizer of the codec it is in.
func (f *framePlane) push(p *media.Packet) {
	if codec := f.track.Codec().Name; codec != f.codec {
		f.codec = codec
		f.make, _ = media.NewDepacketizer(codec) // nil for a codec that has no frames
	}
	if f.make == nil {
		return
	}
	if frame, ok := f.make.Push(p); ok {
		f.write(frame)
	}
}

func (f *framePlane) write(frame *media.Frame) {
	for _, s := range f.sinks {
		s.WriteFrame(frame)
	}
}

// Close ends the frame sinks with the stream.
func (f *framePlane) Close(reason error) {
	f.mu.Lock()
	sinks := f.sinks
	f.sinks, f.detach = nil, nil
	f.mu.Unlock()
	for _, s := range sinks {
		s.Close(reason)
	}
}

// WriteFrame puts a frame on the track: at once to its frame sinks, and as
// packets when somebody takes packets. Its Timestamp is the source's own, as
// in Incoming. One input writes either packets or frames.
func (in *Input) WriteFrame(f media.Frame, arrival time.Time) error {
	t := in.track
	t.framed.Store(true)
	f.Arrival = arrival.UnixNano()
	t.frames.mu.Lock()
	t.frames.write(&f)
	own := 0 // the frame plane's own hold on the packets
	if t.frames.detach != nil {
		own = 1
	}
	t.frames.mu.Unlock()
	if len(*t.sinks.Load()) == own {
		return nil
	}
	return in.packetize(&f, arrival)
}

// packetize derives a frame's packets.
func (in *Input) packetize(f *media.Frame, arrival time.Time) error {
	if in.packetizer == nil {
		p, err := media.NewPacketizer(in.track.Codec().Name)
		if err != nil {
			return err
		}
		in.packetizer = p
	}
	payloads, err := in.packetizer.Packetize(f)
	if err != nil {
		return err
	}
	for _, p := range payloads {
		in.WritePacket(Incoming{Seq: in.seq, Timestamp: f.Timestamp, Marker: p.Marker, Arrival: arrival, Payload: p.Bytes})
		in.seq++
	}
	return nil
}
