package media

import (
	"bytes"
	"math"
	"time"
)

const (
	// A parameter set is parsed when it changes, but not more often than this:
	// a hostile source changes it with each packet.
	parsePause = int64(250 * time.Millisecond)

	// A step of the timestamps that is longer, either way, is a jump and says
	// nothing about pictures.
	longestStep = 10 // seconds
)

// Probe finds out the traits of one track while its packets or frames pass.
// It guards nothing: the caller sees to it that one goroutine uses it at a
// time.
type Probe struct {
	// set at construction
	codec string
	clock int32 // ticks a second
	video bool

	// owned by the caller of Packet and Frame
	traits Traits
	shown  Traits // when a change was last told
	set    []byte // the parameter set that the traits come from
	parsed int64  // when, as Packet.Arrival; 0 for never
	stamp  uint32 // of the packet before
	meter  meter
	order  order
}

// NewProbe returns a probe for a track of a codec, which may know something
// already by its format parameters.
func NewProbe(c Codec) *Probe {
	p := &Probe{codec: c.Name, clock: int32(min(c.ClockRate, math.MaxInt32/longestStep))}
	if p.clock <= 0 {
		p.clock = videoClock
	}
	switch t := &p.traits; c.Name {
	case H264, H265, VP8, VP9, AV1:
		p.video = true
		for _, set := range c.ParameterSets() {
			if s, ok := parseShape(c.Name, set); ok {
				p.set = set
				p.shape(s)
			}
		}
	case AAC:
		t.SampleRate, t.Channels = int(c.ClockRate), int(c.Channels)
		if a, err := c.AACConfig(); err == nil {
			t.SampleRate, t.Channels = max(a.SampleRate, a.ExtensionSampleRate), int(aacChannels(a))
		}
	case Opus:
		t.SampleRate = int(p.clock) // the packets say how many channels
	case G722:
		t.SampleRate, t.Channels = 16_000, max(int(c.Channels), 1) // its clock says 8,000, by an old mistake
	case PCMU, PCMA:
		t.SampleRate, t.Channels = int(p.clock), max(int(c.Channels), 1)
	}
	return p
}

// Traits returns what is known.
func (p *Probe) Traits() Traits { return p.traits }

// Packet takes a packet as it arrives, its fields as in Packet. It says
// whether the traits have become others: any fact, or a rate by much.
func (p *Probe) Packet(ts uint32, at int64, payload []byte, keyframe bool) (changed bool) {
	if ts != p.stamp || !p.meter.begun {
		changed = p.step(ts, at)
	}
	p.meter.bytes += len(payload)
	if !keyframe && !p.order.doubt {
		return changed
	}
	switch {
	case p.video:
		p.look(ts, at, payload, keyframe)
	case p.codec == Opus:
		p.opus(payload)
	default:
		return changed
	}
	return p.tell() || changed
}

// Late takes a packet that others have overtaken, or that was lost and sent
// again, as Packet takes one in order. That its time is before theirs says
// nothing about the order of the pictures.
func (p *Probe) Late(ts uint32, at int64, payload []byte, keyframe bool) (changed bool) {
	p.meter.bytes += len(payload)
	if !keyframe || !p.video {
		return false
	}
	doubt := p.order.doubt
	p.order.doubt = false
	p.look(ts, at, payload, keyframe)
	p.order.doubt = doubt
	return p.tell()
}

// Frame takes a frame as it arrives, as Packet takes a packet.
func (p *Probe) Frame(f *Frame) (changed bool) {
	if f.Timestamp != p.stamp || !p.meter.begun {
		changed = p.step(f.Timestamp, f.Arrival)
	}
	for _, u := range f.Units {
		p.meter.bytes += len(u)
	}
	switch {
	case p.codec == Opus && len(f.Units) > 0:
		p.opus(f.Units[0])
	case p.video && (f.Keyframe || p.order.doubt):
		if f.Keyframe {
			p.key(f.Timestamp)
		}
		for _, u := range f.Units {
			p.unit(u, f.Arrival, f.Keyframe)
		}
	default:
		return changed
	}
	return p.tell() || changed
}

// step goes on to another timestamp.
func (p *Probe) step(ts uint32, at int64) bool {
	p.stamp = ts
	if !p.meter.begun {
		p.meter.begin(ts, at)
		return false
	}
	p.order.doubt = false
	switch d := int32(ts - p.meter.high); {
	case d > longestStep*p.clock || d < -longestStep*p.clock:
		p.meter.begin(ts, at)
	case d > 0:
		p.meter.high = ts
		p.meter.frames++
	case d < 0 && p.video:
		p.order.doubt = p.codec == H264 || p.codec == H265
		if p.traits.BFrames {
			p.meter.frames++
		}
	}
	if !p.meter.full(at, p.clock, p.traits.Bitrate == 0) {
		return false
	}
	p.measure(at)
	return p.tell()
}

// measure takes the rates of the window that ends now.
func (p *Probe) measure(at int64) {
	m := &p.meter
	seconds := m.seconds(at, p.clock)
	p.traits.Bitrate = int(float64(m.bytes) * 8 / seconds)
	if p.video {
		p.traits.FPS = math.Round(float64(m.frames)/seconds*100) / 100
		if open := m.sinceKey(p.clock); open > p.traits.KeyframeInterval {
			p.traits.KeyframeInterval = open // at least
		}
		p.order.settle()
		p.order.tell(&p.traits)
	}
	m.next(at)
}

// key notes that a keyframe begins at ts, once.
func (p *Probe) key(ts uint32) {
	m := &p.meter
	if m.keyed && ts == m.key {
		return
	}
	if d := m.sinceKey(p.clock); d > 0 {
		p.traits.KeyframeInterval = d
	}
	m.keyed, m.key = true, ts
}

func (p *Probe) opus(payload []byte) {
	if len(payload) == 0 {
		return
	}
	p.traits.Channels = max(p.traits.Channels, 1+int(payload[0]>>2&1)) // the s bit, RFC 6716 section 3.1
}

// parameters takes a parameter set or header of a whole sequence.
func (p *Probe) parameters(set []byte, at int64) {
	if len(set) > maxParameterSet || bytes.Equal(set, p.set) {
		return
	}
	if p.pausing(at) {
		return
	}
	p.parsed = at
	p.set = append(p.set[:0], set...)
	if s, ok := parseShape(p.codec, set); ok {
		p.shape(s)
	}
}

// pausing tells whether it is too early for another shape.
func (p *Probe) pausing(at int64) bool {
	return p.parsed != 0 && at-p.parsed < parsePause && at >= p.parsed
}

// another takes the shape that a keyframe of VP8 or VP9 has in its own head.
func (p *Probe) another(s shape, at int64) {
	if t := &p.traits; s.width == t.Width && s.height == t.Height && s.chroma == t.Chroma && s.depth == t.BitDepth {
		return
	}
	if !p.pausing(at) {
		p.parsed = at
		p.shape(s)
	}
}

func (p *Probe) shape(s shape) {
	t := &p.traits
	t.Width, t.Height, t.Chroma, t.BitDepth, t.Interlaced = s.width, s.height, s.chroma, s.depth, s.interlaced
	p.order.claim(s.reorder)
	p.order.tell(t)
}

// tell says whether the traits are worth telling, and remembers them if so.
func (p *Probe) tell() bool {
	if p.traits == p.shown || p.traits.near(p.shown) {
		return false
	}
	p.shown = p.traits
	return true
}

// near says whether two traits differ only by what rates do all the time.
func (t Traits) near(o Traits) bool {
	if !alike(t.FPS, o.FPS, 1.1) || !alike(float64(t.Bitrate), float64(o.Bitrate), 1.5) ||
		!alike(t.KeyframeInterval.Seconds(), o.KeyframeInterval.Seconds(), 1.25) {
		return false
	}
	t.FPS, t.Bitrate, t.KeyframeInterval = o.FPS, o.Bitrate, o.KeyframeInterval
	return t == o
}

func alike(a, b, factor float64) bool {
	return a <= b*factor && b <= a*factor
}
