package hub

import (
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// patience is how many packets the frame plane lets pass before it gives up
// one that is missing.
const patience = 64

// Bounds on the frames held for sinks that come later.
const (
	maxHeld      = 1200     // frames
	maxHeldBytes = 16 << 20 // bytes
)

// AttachFrames hands every frame from now on to sink until detach is called,
// and of video first those since the last keyframe; a source that makes one
// when it is asked is asked instead, because its last may be minutes old. A track whose source writes
// packets has its frames made once, however many sinks there are, and only
// while there are any. It returns media.ErrCodec when the codec has no frames
// that could be made.
func (t *Track) AttachFrames(sink FrameSink) (detach func(), err error) {
	if _, err := media.NewDepacketizer(t.Codec()); err != nil {
		return nil, err
	}
	t.conversion.take()
	f := &frameAttachment{sink}
	t.frames.add(t, f)
	if t.kind == media.Video && t.obliging.Load() {
		t.RequestKeyframe(0)
	}
	return sync.OnceFunc(func() {
		t.frames.drop(f)
		t.conversion.drop()
	}), nil
}

type frameAttachment struct{ FrameSink }

// framePlane is a track's frames and who takes them. It is a PacketSink of
// its own track while it has sinks.
type framePlane struct {
	// set at construction
	track *Track

	// guarded by mu
	mu     sync.Mutex
	sinks  []*frameAttachment
	detach func() // from the packets
	next   uint64
	codec  media.Codec
	make   *media.Depacketizer
	held   held
}

var _ PacketSink = (*framePlane)(nil)

// add gives a sink what is held. The first sink has frames derived from the
// packets, from the last keyframe in the ring on.
func (f *framePlane) add(t *Track, a *frameAttachment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	history := t.kind == media.Video && !t.obliging.Load()
	if history && (len(f.sinks) > 0 || t.framed.Load()) {
		for _, h := range f.held.frames {
			a.WriteFrame(h.frame)
		}
	}
	f.sinks = append(f.sinks, a)
	if f.detach != nil {
		return
	}
	f.codec, f.next = media.Codec{}, t.ring.Head()
	if k, ok := t.ring.Keyframe(); ok && history {
		f.next = k
	}
	f.detach = t.attach(f)
	if !t.framed.Load() {
		f.derive()
	}
}

func (f *framePlane) drop(a *frameAttachment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinks = without(f.sinks, a)
	if len(f.sinks) > 0 || f.detach == nil {
		return
	}
	f.detach()
	f.detach = nil
	if !f.track.framed.Load() {
		f.held.clear()
	}
}

// forget drops what is held and what was not derived yet, when another
// publication begins: it may write in another codec, or packets after frames.
// mu is held.
func (f *framePlane) forget() {
	f.held.clear()
	f.codec, f.next = media.Codec{}, f.track.ring.Head()
}

// WritePacket takes the track's packets.
func (f *framePlane) WritePacket(*media.Packet) {
	if f.track.framed.Load() { // made of our own frames, with mu held
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.detach != nil {
		f.derive()
	}
}

// derive makes frames of the packets in order of their numbers: one that is
// late is waited for, one that does not come is given up. mu is held.
func (f *framePlane) derive() {
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
	if codec := f.track.Codec(); codec != f.codec {
		f.codec = codec
		f.make, _ = media.NewDepacketizer(codec) // nil for a codec that has no frames
	}
	if f.make == nil {
		return
	}
	if frame, ok := f.make.Push(p); ok {
		f.write(f.track, frame)
	}
}

// write gives a frame to the sinks and holds it for later ones; mu is held.
func (f *framePlane) write(t *Track, frame *media.Frame) *heldFrame {
	h := &heldFrame{frame: frame}
	if t.kind == media.Video {
		f.held.add(h)
	}
	for _, s := range f.sinks {
		s.WriteFrame(frame)
	}
	return h
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

// held are the frames since the last keyframe.
type held struct {
	frames []*heldFrame
	bytes  int
	broken bool // too much was held: nothing is until the next keyframe
}

type heldFrame struct {
	frame  *media.Frame
	packed bool // its packets are in the ring
}

func (h *held) clear() { *h = held{broken: true} }

func (h *held) add(f *heldFrame) {
	if f.frame.Keyframe {
		*h = held{}
	}
	if h.broken {
		return
	}
	for _, u := range f.frame.Units {
		h.bytes += len(u)
	}
	if len(h.frames) == maxHeld || h.bytes > maxHeldBytes {
		h.clear()
		return
	}
	h.frames = append(h.frames, f)
}

// Anchor says that the source's timestamp stamp belongs to the moment at of the
// server's clock. It goes with the next frame that is written, and keeps audio
// and video in step for sources that have one clock for both.
func (in *Input) Anchor(stamp uint32, at time.Time) { in.anchor = anchor{stamp, at} }

// WriteFrame puts a frame on the track: at once to its frame sinks, and as
// packets when somebody takes packets. Its Timestamp is the source's own, as
// in Incoming. One input writes either packets or frames. It returns
// ErrReplaced once another publication writes the track.
func (in *Input) WriteFrame(f media.Frame, arrival time.Time) error {
	changed, err := in.put(&f, arrival)
	if changed {
		in.track.see() // tells others, so with no lock held
	}
	return err
}

func (in *Input) put(f *media.Frame, arrival time.Time) (changed bool, err error) {
	t := in.track
	t.frames.mu.Lock()
	defer t.frames.mu.Unlock()
	if changed, err = in.place(f, arrival); err != nil {
		return false, err
	}
	h := t.frames.write(t, f)
	if t.takers() > 0 {
		err = in.pack(h)
	}
	return changed, err
}

// place puts a frame on the stream's line and reports whether the track's
// traits have changed.
func (in *Input) place(f *media.Frame, arrival time.Time) (changed bool, err error) {
	t := in.track
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.input != in {
		return false, ErrReplaced
	}
	t.framed.Store(true)
	own := f.Timestamp
	f.Timestamp = t.line.placeFrame(own, arrival, t.clock.rate)
	f.Arrival = arrival.UnixNano()
	t.clock.packet(f.Timestamp, f.Arrival)
	if !in.anchor.at.IsZero() {
		t.clock.anchor(in.anchor.stamp-own+f.Timestamp, in.anchor.at)
		in.anchor = anchor{}
	}
	if f.Keyframe {
		t.keyframe.came(arrival)
	}
	return t.probe.Frame(f), nil
}

// takers returns how many take packets, without the frame plane; frames.mu is
// held.
func (t *Track) takers() int {
	own := 0
	if t.frames.detach != nil {
		own = 1
	}
	return len(*t.sinks.Load()) - own
}

// pack makes the packets of the frames that are held, for the first sink that
// takes packets; frames.mu is held.
func (t *Track) pack() {
	t.mu.Lock()
	in := t.input
	t.mu.Unlock()
	if in == nil || !t.framed.Load() {
		return
	}
	if t.frames.held.broken && t.takers() == 1 { // the ring's keyframe is followed by a gap
		t.ring.Forget()
	}
	for _, h := range t.frames.held.frames {
		if !h.packed && in.pack(h) != nil {
			return
		}
	}
}

// pack derives a frame's packets; frames.mu is held.
func (in *Input) pack(h *heldFrame) error {
	t := in.track
	if in.packetizer == nil {
		p, err := media.NewPacketizer(t.Codec())
		if err != nil {
			return err
		}
		in.packetizer = p
	}
	h.packed = true
	payloads, err := in.packetizer.Packetize(h.frame)
	if err != nil {
		return err
	}
	for i, p := range payloads {
		stored := t.store(media.Packet{
			Timestamp: h.frame.Timestamp + p.Offset, Arrival: h.frame.Arrival, Payload: p.Bytes, Marker: p.Marker,
			Keyframe: h.frame.Keyframe && i == 0,
		})
		for _, a := range *t.sinks.Load() {
			a.sink.WritePacket(stored)
		}
	}
	return nil
}

// store puts a packet behind the ring's newest; frames.mu is held.
func (t *Track) store(p media.Packet) *media.Packet {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.Seq = t.ring.Head()
	stored := t.ring.Put(p)
	if p.Keyframe {
		t.trim(p.Arrival)
	}
	return stored
}
