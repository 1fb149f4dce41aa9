package transcode

import (
	"bufio"
	"slices"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// h264Target is what every browser decodes: constrained baseline.
func h264Target() media.Codec {
	return media.Codec{Name: media.H264, ClockRate: videoRate, Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"}
}

const videoRate = 90000

const (
	// A picture that steps further back is not one shown in another order.
	maxReorder = time.Second
	// FLV counts ms in 31 bits.
	maxFile = 20 * 24 * time.Hour
)

// video converts pictures.
type video struct {
	// set at construction
	codec  string
	traits func() media.Traits // what is known of the source now
	sync   string

	// owned by the goroutine that feeds
	coding coding
	begun  media.Traits // what was known when the child began
	stamps stamps
	origin int64
	newest time.Duration // the latest pts that the child was given

	// owned by the goroutine that reads
	flv    flvReader
	prefix [][]byte // parameter sets of what comes out

	// guards itself
	journal journal
}

var _ format = (*video)(nil)

func newVideo(source media.Codec, traits func() media.Traits, sync string) *video {
	return &video{codec: source.Name, traits: traits, sync: sync, coding: newCoding(source)}
}

func (f *video) begin(a arrival) (args []string, header []byte, ok bool) {
	if !a.frame.Keyframe {
		return nil, nil, false
	}
	track, scale, ok := f.coding.begin(a.frame)
	if !ok {
		return nil, nil, false
	}
	f.begun = f.coding.known(f.traits(), f.begun)
	f.origin = f.stamps.extend(a.frame.Timestamp)
	f.journal.clear()
	f.newest, f.flv, f.prefix = 0, flvReader{}, nil
	track.width, track.height = max(f.begun.Width, minSide), max(f.begun.Height, minSide)
	track.frameDuration = time.Duration(float64(time.Second) / fps(f.begun))
	return videoArgs(f.codec, f.begun, scale, f.sync), matroskaHeader(track), true
}

func (f *video) append(b []byte, a arrival) ([]byte, error) {
	if a.frame.Keyframe && (!f.coding.fits(a.frame) || f.outdated()) {
		return b, errGap // a child cannot change its size, nor its arguments
	}
	parts := f.coding.parts(a.frame)
	stamp := f.stamps.extend(a.frame.Timestamp)
	pts := span(stamp-f.origin, videoRate)
	if pts < f.newest-maxReorder || pts > maxFile {
		if a.frame.Keyframe {
			return b, errGap
		}
		return b, nil
	}
	if pts < 0 || len(parts) == 0 { // shown before the first: it depends on what was not sent
		return b, nil
	}
	f.newest = max(f.newest, pts)
	f.journal.add(entry{pts: pts, stamp: stamp, at: a.at})
	return appendBlock(b, pts, a.frame.Keyframe, parts), nil
}

// outdated tells whether other arguments are right now than when the child
// began.
func (f *video) outdated() bool {
	now := f.coding.known(f.traits(), f.begun)
	faster := fps(now) / fps(f.begun)
	return now.Interlaced != f.begun.Interlaced || now.FPS > 0 && (faster > 1.4 || faster < 0.7)
}

// read finds the timestamp of each picture by the one that went in with it:
// some are lost in the child, and FLV has whole milliseconds only.
func (f *video) read(r *bufio.Reader) (output, error) {
	if f.flv.r == nil {
		f.flv.r = r
	}
	tag, err := f.flv.next()
	if err != nil || tag.kind != flvVideo {
		return output{}, err
	}
	if tag.header {
		f.prefix, err = readParameterSets(tag.data)
		return output{}, err
	}
	units, err := readUnits(tag.data)
	if err != nil {
		return output{}, err
	}
	e, ok := f.journal.picture(tag.at)
	if !ok || len(units) == 0 {
		return output{}, nil
	}
	if tag.keyframe {
		units = slices.Concat(f.prefix, units)
	}
	return output{units: units, keyframe: tag.keyframe, stamp: e.stamp, source: e.stamp, at: e.at}, nil
}
