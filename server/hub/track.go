package hub

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/ring"
)

// Slots of the packet rings: about 8 s of 2 Mbit/s video, 5 s of audio.
const (
	videoSlots = 2048
	audioSlots = 256
)

// history is how long video is kept that lies before the newest keyframe: as
// long as a viewer may ask for a lost packet.
const history = 1500 * time.Millisecond

// Track is one audio or video of a stream. It outlives publications: its
// sequence numbers and timestamps go on from one to the next.
type Track struct {
	// set at construction
	stream     *Stream
	kind       media.Kind
	ring       *ring.Ring
	origin     *Track      // of which the converter makes this one; nil for the source's own
	conversion *conversion // nil for the source's own

	// guarded by mu
	mu       sync.Mutex
	input    *Input // who may write
	line     line
	clock    clock
	keyframe keyframeRequests
	probe    *media.Probe

	// guards itself
	frames framePlane

	// atomic
	codec  atomic.Pointer[media.Codec]
	traits atomic.Pointer[media.Traits]
	sinks  atomic.Pointer[[]*attachment]

	framed   atomic.Bool // the source writes frames
	obliging atomic.Bool // the source makes a keyframe when it is asked for one
}

type attachment struct{ sink PacketSink }

// Input is what one publication writes a track through. Once another
// publication has taken over the track it writes nothing.
type Input struct {
	// set at construction
	track     *Track
	publisher *publisherClock // shared by the publication's inputs

	// owned by the source
	anchor anchor

	// guarded by the track's frames.mu
	packetizer *media.Packetizer
}

// anchor is a moment that the source knows of its next frame.
type anchor struct {
	stamp uint32
	at    time.Time // zero for none
}

// Incoming is an RTP packet as a source got it, with the source's own numbers.
type Incoming struct {
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Arrival   time.Time
	Payload   []byte // copied
}

func newTrack(s *Stream, k media.Kind, c media.Codec) *Track {
	slots := videoSlots
	if k == media.Audio {
		slots = audioSlots
	}
	t := &Track{stream: s, kind: k, ring: ring.New(slots, firstSeq)}
	t.frames.track = t
	t.codec.Store(&c)
	t.traits.Store(&media.Traits{})
	t.sinks.Store(&[]*attachment{})
	return t
}

// Kind returns whether the track is audio or video.
func (t *Track) Kind() media.Kind { return t.kind }

// Codec returns the codec of the packets written now; a new publication may
// change it.
func (t *Track) Codec() media.Codec { return *t.codec.Load() }

// Traits returns what has been seen of the track.
func (t *Track) Traits() media.Traits { return *t.traits.Load() }

// Ring returns the packets that are held, for sinks that start in the past or
// resend.
func (t *Track) Ring() *ring.Ring { return t.ring }

// bind makes a new input the track's only writer.
func (t *Track) bind(c media.Codec, publisher *publisherClock) *Input {
	in := &Input{track: t, publisher: publisher}
	t.frames.mu.Lock()
	defer t.frames.mu.Unlock()
	t.frames.forget()
	t.mu.Lock()
	defer t.mu.Unlock()
	if *t.codec.Load() != c || t.origin != nil {
		t.codec.Store(&c)
		t.ring.Forget()
	}
	t.input = in
	t.framed.Store(false)
	t.line.restart()
	t.line.fixed = t.origin != nil
	t.clock.restart(c.ClockRate)
	t.probe = media.NewProbe(c)
	t.traits.Store(&media.Traits{})
	return in
}

// Track returns the track that the input writes.
func (in *Input) Track() *Track { return in.track }

// WritePacket puts a packet on the stream's own line of sequence numbers and
// timestamps and hands it to the sinks. It never blocks; duplicates and packets
// of an input that was replaced are dropped.
func (in *Input) WritePacket(p Incoming) {
	t := in.track
	stored, changed := in.keep(p)
	if stored == nil {
		return
	}
	if changed {
		t.see()
	}
	for _, a := range *t.sinks.Load() {
		a.sink.WritePacket(stored)
	}
}

// keep puts a packet into the ring and reports whether the track's traits have
// changed.
func (in *Input) keep(p Incoming) (stored *media.Packet, changed bool) {
	t := in.track
	_, keyframe := media.Inspect(t.Codec().Name, p.Payload)
	arrival := p.Arrival.UnixNano()
	t.mu.Lock()
	defer t.mu.Unlock() // also when a peer's bytes cause a panic, or all who ask for the time would wait
	if t.input != in {
		return nil, false
	}
	head := t.ring.Head()
	seq, ts := t.line.place(p, head, t.clock.rate)
	stored = t.ring.Put(media.Packet{
		Seq: seq, Timestamp: ts, Arrival: arrival, Payload: p.Payload, Marker: p.Marker, Keyframe: keyframe,
	})
	if stored == nil {
		return nil, false
	}
	t.clock.packet(ts, arrival)
	if keyframe {
		t.keyframe.came(p.Arrival)
		t.trim(arrival)
	}
	if seq < head {
		return stored, t.probe.Late(ts, arrival, p.Payload, keyframe)
	}
	return stored, t.probe.Packet(ts, arrival, p.Payload, keyframe)
}

// trim lets go of video that nobody needs; mu is held. Where nobody takes
// packets nobody asks for lost ones either.
func (t *Track) trim(now int64) {
	if t.kind != media.Video {
		return
	}
	if len(*t.sinks.Load()) > 0 {
		now -= int64(history)
	}
	t.ring.Trim(now)
}

// SenderReport takes the publisher's own statement that its RTP timestamp rtp
// was sampled at ntp (RFC 3550 section 6.4.1, 32.32 fixed point), got at
// arrival. It keeps audio and video in step for every viewer.
func (in *Input) SenderReport(ntp uint64, rtp uint32, arrival time.Time) {
	t := in.track
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.input == in && t.line.begun {
		t.clock.report(in.publisher, ntp, rtp+t.line.stampOffset, arrival.UnixNano())
	}
}

// StampAt returns the track's RTP timestamp at a moment of the server's clock,
// for sender reports to viewers; ok is false before the first packet.
func (t *Track) StampAt(now time.Time) (stamp uint32, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clock.stampAt(now.UnixNano())
}

// TimeOf returns the moment on the server's clock that a timestamp of the
// track's line belongs to; ok is false before the first packet.
func (t *Track) TimeOf(stamp uint32) (at time.Time, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.clock.known || t.clock.rate == 0 {
		return time.Time{}, false
	}
	return time.Unix(0, t.clock.moment(stamp)), true
}

// Attach hands every packet from now on to sink until detach is called.
func (t *Track) Attach(sink PacketSink) (detach func()) {
	t.conversion.take()
	leave := t.enter(sink)
	return sync.OnceFunc(func() {
		leave()
		t.conversion.drop()
	})
}

// enter attaches a sink and gives it what is held.
func (t *Track) enter(sink PacketSink) (leave func()) {
	t.frames.mu.Lock()
	defer t.frames.mu.Unlock()
	leave = t.attach(sink)
	t.pack()
	return leave
}

func (t *Track) attach(sink PacketSink) (detach func()) {
	a := &attachment{sink}
	t.changeSinks(func(list []*attachment) []*attachment { return append(list, a) })
	return func() {
		t.changeSinks(func(list []*attachment) []*attachment { return without(list, a) })
	}
}

func (t *Track) changeSinks(change func([]*attachment) []*attachment) {
	for {
		old := t.sinks.Load()
		list := change(append([]*attachment(nil), *old...))
		if t.sinks.CompareAndSwap(old, &list) {
			return
		}
	}
}

func (t *Track) closeSinks(reason error) {
	for _, a := range *t.sinks.Swap(&[]*attachment{}) {
		a.sink.Close(reason)
	}
}
