package rtmp

import (
	"context"
	"fmt"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"

	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
	"github.com/heliograph/heliograph/server/rtmp/tag"
)

// lead is added to all times, so that decoding times, which are before those
// of presentation, are never below zero.
const lead = 500 * time.Millisecond

// outlet writes the frames of feeds as messages into a connection.
type outlet struct {
	// set at construction
	conn   *conn
	stream uint32
	sent   func(bytes int) // of a peer that is a server, nil of a player

	// owned by the caller of copy
	begin  time.Duration // of the feed that runs
	last   time.Duration // greatest time so far
	tracks map[*hub.Track]*outletTrack
}

func newOutlet(c *conn, stream uint32) *outlet { return &outlet{conn: c, stream: stream, begin: lead} }

// outletTrack is one track on its way out.
type outletTrack struct {
	kind    byte // of message
	codec   media.Codec
	encoder *tag.Encoder
	sets    *media.ParameterSets
	order   order
	last    time.Duration // decoding time of the last frame
}

// order finds decoding times.
type order interface {
	Extract(units [][]byte, pts int64) (int64, error)
}

// copy sends a feed until it ends, and returns why.
func (o *outlet) copy(ctx context.Context, f *feed.Feed) error {
	if o.last > 0 {
		o.begin = o.last + 20*time.Millisecond
	}
	list, err := o.start(f)
	if err != nil {
		return err
	}
	if err := o.send(list); err != nil {
		return err
	}
	for {
		item, err := f.Next(ctx)
		if err != nil {
			return err
		}
		t := o.tracks[item.Track]
		if t == nil {
			continue
		}
		if list := o.frame(t, item); len(list) > 0 {
			if err := o.send(list); err != nil {
				return err
			}
		}
	}
}

func (o *outlet) send(list []chunk.Message) error {
	if err := o.conn.send(list...); err != nil {
		return err
	}
	if o.sent != nil {
		n := 0
		for _, m := range list {
			n += len(m.Body)
		}
		o.sent(n)
	}
	return nil
}

// start returns what comes before the frames of a feed: the metadata, then
// the configurations.
func (o *outlet) start(f *feed.Feed) ([]chunk.Message, error) {
	o.tracks = map[*hub.Track]*outletTrack{}
	values := []any{"onMetaData", metadataOf(f)}
	if o.sent != nil {
		values = append([]any{"@setDataFrame"}, values...)
	}
	stamp := stampOf(o.begin)
	// At time 0: ffmpeg takes metadata at another for subtitles.
	list := []chunk.Message{{Type: chunk.DataAMF0, Stream: o.stream, Body: amf.Write(nil, values...)}}
	for _, track := range f.Tracks() {
		t, err := newOutletTrack(track)
		if err != nil {
			return nil, err
		}
		o.tracks[track] = t
		if b := t.encoder.Start(); b != nil {
			list = append(list, chunk.Message{Type: t.kind, Stream: o.stream, Time: stamp, Body: b})
		}
	}
	return list, nil
}

func newOutletTrack(track *hub.Track) (*outletTrack, error) {
	t := &outletTrack{kind: chunk.Audio, codec: track.Codec(), sets: media.NewParameterSets(track.Codec())}
	if track.Kind() == media.Video {
		t.kind = chunk.Video
	}
	encoder, err := tag.NewEncoder(t.codec)
	if err != nil {
		return nil, fmt.Errorf("play: %w", err)
	}
	t.encoder = encoder
	switch t.codec.Name {
	case media.H264:
		d := &h264.DTSExtractor{}
		d.Initialize()
		t.order = d
	case media.H265:
		d := &h265.DTSExtractor{}
		d.Initialize()
		t.order = d
	}
	return t, nil
}

// frame returns the messages of one frame.
func (o *outlet) frame(t *outletTrack, item feed.Item) []chunk.Message {
	units := t.sets.Complete(item.Frame.Units)
	shown := o.begin + item.Time
	decoded := t.decodedAt(units, shown)
	var list []chunk.Message
	add := func(at time.Duration, bodies [][]byte) {
		for _, b := range bodies {
			if b != nil {
				list = append(list, chunk.Message{Type: t.kind, Stream: o.stream, Time: stampOf(at), Body: b})
			}
		}
		o.last = max(o.last, at)
	}
	if t.codec.Name != media.AAC {
		add(decoded, t.encoder.Frame(units, item.Frame.Keyframe, shown-decoded))
		return list
	}
	for i, unit := range units { // a message holds one access unit
		at := decoded + durationOf(int64(i)*1024, int64(t.codec.ClockRate))
		add(at, t.encoder.Frame([][]byte{unit}, true, 0))
	}
	return list
}

// decodedAt returns when a frame is to be decoded: as it is shown, unless its
// track sends frames in another order than they are shown.
func (t *outletTrack) decodedAt(units [][]byte, shown time.Duration) time.Duration {
	at := shown
	if t.order != nil && len(units) > 0 {
		if d, err := t.order.Extract(units, int64(shown)); err == nil {
			at = min(time.Duration(d), shown)
		}
	}
	at = max(at, t.last, 0)
	t.last = at
	return at
}

func stampOf(d time.Duration) uint32 { return uint32(d.Round(time.Millisecond) / time.Millisecond) }

// metadataOf describes a feed as onMetaData does (FLV specification, section
// E.5). ffmpeg waits seconds for tracks that are named here or, without an
// associative array, might come.
func metadataOf(f *feed.Feed) *amf.Object {
	o := &amf.Object{Mixed: true}
	set := func(key string, v any) {
		if v != 0.0 {
			o.Pairs = append(o.Pairs, amf.Pair{Key: key, Value: v})
		}
	}
	for _, t := range f.Tracks() {
		c, traits := t.Codec(), t.Traits()
		id := legacyID(c.Name)
		if code := tag.FourCC(c.Name); code != "" {
			id = float64(uint32(code[0])<<24 | uint32(code[1])<<16 | uint32(code[2])<<8 | uint32(code[3]))
		}
		if t.Kind() == media.Video {
			set("videocodecid", id)
			set("width", float64(traits.Width))
			set("height", float64(traits.Height))
			set("framerate", traits.FPS)
			set("videodatarate", float64(traits.Bitrate)/1000)
			continue
		}
		set("audiocodecid", id)
		set("audiosamplerate", float64(c.ClockRate))
		set("audiochannels", float64(c.Channels))
		set("stereo", c.Channels == 2)
		set("audiodatarate", float64(traits.Bitrate)/1000)
	}
	set("encoder", "Heliograph")
	return o
}

// legacyID is how FLV calls a codec.
func legacyID(codec string) float64 {
	switch codec {
	case media.H264:
		return 7
	case media.AAC:
		return 10
	case media.PCMA:
		return 7
	case media.PCMU:
		return 8
	}
	return 0
}
