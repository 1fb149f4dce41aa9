package rtmp

import (
	"bytes"
	"errors"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/tag"
)

// roundOff is how far the timestamp of a frame of sound, in whole ms and often
// jittered, may be from where its samples say. Within it the samples rule.
const roundOff = 5 * time.Millisecond

// intakeTrack is one track of a publisher.
type intakeTrack struct {
	// set at construction
	kind media.Kind
	in   *intake

	// owned by the caller of the intake
	decoder *tag.Decoder
	input   *hub.Input
	sets    *media.ParameterSets
	codec   string // what the publisher calls it
	left    bool   // it cannot be carried
	faults  int    // frames one after the other that could not be read
	next    int64  // sound: where the next frame is, in ticks
	counted bool   // next is known
}

// configure takes a decoder's configuration, the first or another one.
func (t *intakeTrack) configure(g tag.Tag) error {
	d, err := tag.NewDecoder(g)
	if err != nil {
		t.leave(g.Codec, err)
		return nil
	}
	t.codec, t.left = g.Codec, false
	if t.decoder != nil && t.decoder.Codec == d.Codec {
		t.decoder = d
		return nil
	}
	t.decoder, t.sets, t.counted = d, media.NewParameterSets(d.Codec), false
	if t.in.started {
		return t.open()
	}
	return nil
}

// leave notes that a track cannot be carried, and says so once.
func (t *intakeTrack) leave(codec string, err error) {
	if t.left && t.codec == codec {
		return
	}
	t.left, t.codec, t.decoder, t.input = true, codec, nil, nil
	t.in.session.server.count.left.Inc()
	t.in.session.server.log.Warn("a track is left out: set the encoder to H264 video and AAC audio", "proto", proto,
		"stream", t.in.pub.Stream().Name(), "peer", t.in.session.peer, "kind", t.kind.String(), "codec", codec, "reason", err)
}

// ready tells whether a frame can be read.
func (t *intakeTrack) ready(g tag.Tag) bool {
	if t.decoder != nil && t.codec == g.Codec {
		return true
	}
	if t.left && t.codec == g.Codec {
		return false
	}
	if _, err := tag.NewDecoder(tag.Tag{Codec: g.Codec, Stereo: g.Stereo}); err != nil && !needsConfig(g.Codec) {
		t.leave(g.Codec, err)
		return false
	}
	if tag.Plain(g.Codec) {
		return t.configure(g) == nil && t.decoder != nil
	}
	return false // its configuration is still to come
}

// needsConfig tells whether media has a codec that cannot be read without a
// configuration.
func needsConfig(codec string) bool {
	switch codec {
	case media.H264, media.H265, media.AAC:
		return true
	}
	return false
}

// open gives the publication the track, if it is known.
func (t *intakeTrack) open() error {
	if t.decoder == nil {
		return nil
	}
	input, err := t.in.pub.AddTrack(t.kind, t.decoder.Codec)
	if err != nil {
		return err
	}
	t.input = input
	return nil
}

// write hands a frame to the hub. at is its decoding time by the publisher's
// clock.
func (t *intakeTrack) write(g tag.Tag, at time.Duration, arrival time.Time) error {
	if t.input == nil || t.codec != g.Codec {
		return nil
	}
	units, keyframe, err := t.decoder.Units(g)
	if err != nil {
		return t.bad(err)
	}
	if units = compact(t.sets.Complete(units), len(g.Payload)); len(units) == 0 {
		return nil
	}
	out, moment := t.in.line.Place(int(t.kind), at+g.Offset, arrival)
	stamp, off := t.stamp(out, units)
	t.in.moment, t.in.at = moment, at+g.Offset
	t.input.Anchor(stamp, moment.Add(off))
	err = t.input.WriteFrame(media.Frame{Timestamp: stamp, Units: units, Keyframe: keyframe}, arrival)
	if err != nil && !errors.Is(err, hub.ErrReplaced) {
		return t.bad(err) // no packets can be made of it
	}
	t.faults = 0
	return err
}

// compact copies the units of a frame that would hold much more memory than
// they fill: of a message of size bytes, most of which was left out. Frames are
// held by the bytes of their units.
func compact(units [][]byte, size int) [][]byte {
	for _, u := range units {
		size -= 2 * len(u)
	}
	if size <= 0 {
		return units
	}
	copied := make([][]byte, len(units))
	for i, u := range units {
		copied[i] = bytes.Clone(u)
	}
	return copied
}

// stamp returns a frame's timestamp, and how far that is from its time.
func (t *intakeTrack) stamp(out time.Duration, units [][]byte) (stamp uint32, off time.Duration) {
	rate := int64(t.decoder.Codec.ClockRate)
	ticks := ticksOf(out, rate)
	if t.kind == media.Video {
		return uint32(ticks), 0
	}
	if diff := durationOf(t.next-ticks, rate); t.counted && diff.Abs() <= roundOff {
		ticks, off = t.next, diff
	}
	t.next, t.counted = ticks+t.samples(units[0]), true
	return uint32(ticks), off
}

// samples returns how many ticks a frame of sound lasts.
func (t *intakeTrack) samples(b []byte) int64 {
	switch t.decoder.Codec.Name {
	case media.AAC:
		return 1024
	case media.Opus:
		return opus.PacketDuration2(b)
	}
	return int64(len(b)) / int64(max(t.decoder.Codec.Channels, 1))
}

func ticksOf(d time.Duration, rate int64) int64 {
	return int64(d/time.Second)*rate + int64(d%time.Second)*rate/int64(time.Second)
}

func durationOf(ticks, rate int64) time.Duration {
	return time.Duration(ticks/rate)*time.Second + time.Duration(ticks%rate*int64(time.Second)/rate)
}

// bad counts a frame that cannot be read. A few are dropped.
func (t *intakeTrack) bad(err error) error {
	if t.faults++; t.faults < maxBad {
		return nil
	}
	return errBad(t.kind, t.codec, err)
}
