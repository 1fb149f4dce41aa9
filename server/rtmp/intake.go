package rtmp

import (
	"bytes"
	"fmt"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
	"github.com/heliograph/heliograph/server/rtmp/tag"
)

const (
	// startTime is how long the first frames wait for the other track to say
	// what it is, so that a stream begins with both.
	startTime = 300 * time.Millisecond
	maxHeld   = 128 // frames that wait so

	maxBad = 100 // frames one after the other that cannot be read

	// emptyTime is how long a publisher may send nothing that can be carried.
	emptyTime = 10 * time.Second
)

// intake makes a publication's tracks and frames of a publisher's messages.
type intake struct {
	// set at construction
	session *session
	pub     *hub.Publication
	line    *media.Timeline

	// owned by the caller of message
	clock   clock
	tracks  map[media.Kind]*intakeTrack
	held    []heldFrame
	started bool
	first   time.Time // when the first frame came
	expects map[media.Kind]bool
	moment  time.Time // on the server's clock, of the last frame ...
	at      time.Duration
	said    bool // that there are more tracks than one of a kind
}

// heldFrame is one that waits for the start.
type heldFrame struct {
	tag     tag.Tag
	at      time.Duration
	arrival time.Time
}

func newIntake(s *session, p *hub.Publication) *intake {
	in := &intake{session: s, pub: p, line: media.NewTimeline(), tracks: map[media.Kind]*intakeTrack{}, expects: map[media.Kind]bool{}}
	for _, k := range []media.Kind{media.Video, media.Audio} {
		in.tracks[k] = &intakeTrack{kind: k, in: in}
	}
	return in
}

// message takes one message. It returns why the stream is to end: hub.ErrEnded
// when the publisher says so.
func (in *intake) message(m chunk.Message, arrival time.Time) error {
	switch m.Type {
	case chunk.Video, chunk.Audio:
		return in.media(m.Type, m.Body, m.Time, arrival)
	case chunk.Aggregate:
		parts, err := tag.Aggregate(m.Time, m.Body)
		if err != nil {
			return err
		}
		for _, p := range parts {
			if p.Type == chunk.Aggregate {
				return fmt.Errorf("%w: aggregate within an aggregate", tag.ErrMalformed)
			}
			// A copy: what is held of one part must not hold all the others.
			if err := in.message(chunk.Message{Type: p.Type, Time: p.Time, Body: bytes.Clone(p.Body)}, arrival); err != nil {
				return err
			}
		}
	case chunk.DataAMF0, chunk.DataAMF3:
		in.data(m, arrival)
	case chunk.CommandAMF0, chunk.CommandAMF3:
		c, ok, err := commandOf(m)
		if err != nil {
			return err
		}
		if ok && ends(c.name) {
			return hub.ErrEnded
		}
	}
	return nil
}

// ends tells whether a command ends the stream.
func ends(name string) bool {
	return name == "FCUnpublish" || name == "deleteStream" || name == "closeStream"
}

func (in *intake) media(kind byte, body []byte, stamp uint32, arrival time.Time) error {
	parse := tag.Video
	if kind == chunk.Audio {
		parse = tag.Audio
	}
	tags, err := parse(body)
	if err != nil {
		t := in.tracks[media.Video]
		if kind == chunk.Audio {
			t = in.tracks[media.Audio]
		}
		return t.bad(err)
	}
	at := in.clock.extend(stamp)
	for _, t := range tags {
		if 2*len(t.Payload) < len(body) {
			t.Payload = bytes.Clone(t.Payload)
		}
		if err := in.tag(t, at, arrival); err != nil {
			return err
		}
	}
	return in.carriesNothing(arrival)
}

// tag takes one track's part of a message.
func (in *intake) tag(t tag.Tag, at time.Duration, arrival time.Time) error {
	if t.Track != 0 {
		if !in.said {
			in.said = true
			in.session.server.log.Warn("only the first audio and video track are carried", "proto", proto,
				"stream", in.pub.Stream().Name(), "peer", in.session.peer)
		}
		return nil
	}
	track := in.tracks[t.Kind]
	switch t.What {
	case tag.Config:
		return track.configure(t)
	case tag.Frame:
	default:
		return nil
	}
	if in.first.IsZero() {
		in.first = arrival
	}
	if !track.ready(t) {
		return nil
	}
	if in.started {
		return track.write(t, at, arrival)
	}
	in.held = append(in.held, heldFrame{t, at, arrival})
	if in.complete() || arrival.Sub(in.first) > startTime || len(in.held) >= maxHeld {
		return in.start()
	}
	return nil
}

// complete tells whether all tracks that are announced are known, or one of
// each kind when nothing was announced.
func (in *intake) complete() bool {
	for kind, t := range in.tracks {
		expected := len(in.expects) == 0 || in.expects[kind]
		if expected && t.decoder == nil && !t.left {
			return false
		}
	}
	return true
}

// start writes what was held: the tracks first, then their frames.
func (in *intake) start() error {
	in.started = true
	held := in.held
	in.held = nil
	for _, k := range []media.Kind{media.Video, media.Audio} {
		if err := in.tracks[k].open(); err != nil {
			return err
		}
	}
	for _, h := range held {
		if err := in.tracks[h.tag.Kind].write(h.tag, h.at, h.arrival); err != nil {
			return err
		}
	}
	return nil
}

// carriesNothing ends a publisher of whom nothing can be carried.
func (in *intake) carriesNothing(now time.Time) error {
	if in.first.IsZero() || now.Sub(in.first) < emptyTime {
		return nil
	}
	for _, t := range in.tracks {
		if t.decoder != nil {
			return nil
		}
	}
	codecs := ""
	for _, t := range in.tracks {
		if t.codec != "" {
			codecs += t.codec + " "
		}
	}
	return &refusal{
		code:   "NetStream.Publish.Denied",
		reason: fmt.Sprintf("Nothing of this stream can be carried (%s): set the encoder to H264 video and AAC audio.", codecs),
	}
}

// data publishes a data message.
func (in *intake) data(m chunk.Message, arrival time.Time) {
	read := amf.Read
	if m.Type == chunk.DataAMF3 {
		read = amf.Read3
	}
	values, err := read(m.Body)
	if err != nil {
		in.session.server.log.Debug("data message dropped", "proto", proto, "stream", in.pub.Stream().Name(), "err", err)
		return
	}
	if len(values) > 1 && values[0] == "@setDataFrame" {
		values = values[1:]
	}
	if len(values) == 0 {
		return
	}
	name, ok := values[0].(string)
	if !ok || name == "@clearDataFrame" || len(name) > 256 {
		return
	}
	if o, ok := at(values, 1).(*amf.Object); ok && name == "onMetaData" {
		in.announced(o)
	}
	value, err := amf.JSON(&amf.Array{Items: values[1:]})
	if err == nil {
		err = in.pub.WriteData(hub.Data{Name: name, Value: value, At: in.momentOf(m.Time, arrival)})
	}
	if err != nil {
		in.session.server.log.Debug("data message dropped", "proto", proto, "stream", in.pub.Stream().Name(), "err", err)
	}
}

// announced notes which tracks the publisher says it will send.
func (in *intake) announced(o *amf.Object) {
	for key, kind := range map[string]media.Kind{"videocodecid": media.Video, "audiocodecid": media.Audio} {
		if v := o.Get(key); v != nil && v != 0.0 && v != "" {
			in.expects[kind] = true
		}
	}
}

// momentOf returns when a data message belongs, by the last frame. Some
// encoders stamp such messages with zero; they belong where they came.
func (in *intake) momentOf(stamp uint32, arrival time.Time) time.Time {
	if in.moment.IsZero() {
		return arrival
	}
	const near = 5 * time.Second
	off := in.clock.peek(stamp) - in.at
	if off < -near || off > near {
		return in.moment
	}
	return in.moment.Add(off)
}

func at(values []any, i int) any {
	if i < len(values) {
		return values[i]
	}
	return nil
}

// clock makes times that do not wrap of a connection's timestamps, which do
// after 49.7 days. All messages of a connection share it.
type clock struct {
	known bool
	last  uint32
	ms    int64
}

func (c *clock) extend(stamp uint32) time.Duration {
	if !c.known {
		c.known, c.last, c.ms = true, stamp, int64(stamp)
	}
	c.ms += int64(int32(stamp - c.last))
	c.last = stamp
	return time.Duration(c.ms) * time.Millisecond
}

// peek is extend for a stamp that may be anything.
func (c *clock) peek(stamp uint32) time.Duration {
	return time.Duration(c.ms+int64(int32(stamp-c.last))) * time.Millisecond
}

// errBad ends a publisher whose frames cannot be read.
func errBad(kind media.Kind, codec string, err error) error {
	return &refusal{
		code: "NetStream.Publish.Denied",
		reason: fmt.Sprintf("The %s is not the %s that it is said to be: check the encoder, or set it to H264 video and AAC audio.",
			kind, codec),
		cause: fmt.Errorf("%s is not %s: %w", kind, codec, err),
	}
}
