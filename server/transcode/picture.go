package transcode

import (
	"bytes"
	"fmt"

	"github.com/heliograph/heliograph/server/media"
)

// coding is what the pictures of a codec are in a file. Its methods are called
// by the goroutine that feeds.
type coding interface {
	// begin returns the track of a file that begins with a keyframe, and a
	// filter for its pictures; ok is false when none can begin with it.
	begin(f *media.Frame) (track matroskaTrack, scale string, ok bool)
	// fits tells whether a file that has begun can go on with a keyframe.
	fits(f *media.Frame) bool
	// parts returns a frame as it stands in a block, nothing for none.
	parts(f *media.Frame) [][]byte
	// known corrects what is known of the source now by what was known when a
	// child began before.
	known(now, before media.Traits) media.Traits
}

func newCoding(c media.Codec) coding {
	switch c.Name {
	case media.VP8, media.VP9, media.AV1:
		return &adaptive{codec: c}
	}
	return &units{codec: c.Name, sets: media.NewParameterSets(c)}
}

// startCode comes before each NAL unit of a byte stream.
const startCode = "\x00\x00\x00\x01"

// units are the pictures of H264 and H265, whose size changes when the encoder
// is set anew: another child then begins.
type units struct {
	codec string
	sets  *media.ParameterSets
	shape []byte // the parameter sets that the child began with
}

var _ coding = (*units)(nil)

func (u *units) begin(f *media.Frame) (track matroskaTrack, scale string, ok bool) {
	u.shape = u.shapeOf(u.sets.Complete(f.Units))
	track.codecID = "V_MPEG4/ISO/AVC"
	if u.codec == media.H265 {
		track.codecID = "V_MPEGH/ISO/HEVC"
	}
	return track, "scale=trunc(iw/2)*2:trunc(ih/2)*2", u.shape != nil
}

func (u *units) fits(f *media.Frame) bool {
	return bytes.Equal(u.shapeOf(u.sets.Complete(f.Units)), u.shape)
}

// shapeOf returns the sequence parameter sets of an access unit, which say how
// large its pictures are; nil for none.
func (u *units) shapeOf(list [][]byte) []byte {
	var shape []byte
	for _, n := range list {
		if len(n) > 0 && (u.codec == media.H264 && n[0]&0x1F == 7 || u.codec == media.H265 && n[0]>>1&0x3F == 33) {
			shape = append(shape, n...)
		}
	}
	return shape
}

func (u *units) parts(f *media.Frame) [][]byte {
	list := u.sets.Complete(f.Units)
	parts := make([][]byte, 0, 2*len(list))
	for _, n := range list {
		parts = append(parts, []byte(startCode), n)
	}
	return parts
}

func (u *units) known(now, _ media.Traits) media.Traits { return now }

// Sizes of what adaptive sources become, in pixels.
const (
	minSide       = 16
	maxPixels     = 8192 * 4352
	unknownWidth  = 1280 // of AV1 whose head cannot be read
	unknownHeight = 720
)

// adaptive are the pictures of VP8, VP9 and AV1. Browsers send these, smaller
// and fewer when the way to us is bad and larger again later. Each new size
// would be another child and, for a service to which the stream is pushed,
// another stream: so what comes out keeps its size, in which smaller pictures
// are scaled up. Only when they become larger, as they do in the first seconds,
// another child begins.
type adaptive struct {
	// set at construction
	codec media.Codec

	// owned by the goroutine that feeds
	sequence      []byte // AV1: the newest sequence header, with its size
	width, height int    // of what comes out
}

var _ coding = (*adaptive)(nil)

func (p *adaptive) begin(f *media.Frame) (track matroskaTrack, scale string, ok bool) {
	w, h, ok := p.size(f)
	if !ok {
		return track, "", false
	}
	p.width, p.height = max(w&^1, minSide), max(h&^1, minSide)
	track = matroskaTrack{codecID: "V_" + p.codec.Name, width: p.width, height: p.height}
	if p.codec.Name == media.AV1 {
		track.private = av1Config(p.sequence)
	}
	return track, fmt.Sprintf("scale=%d:%d:force_original_aspect_ratio=decrease:force_divisible_by=2,pad=%[1]d:%[2]d:(ow-iw)/2:(oh-ih)/2,setsar=1",
		p.width, p.height), true
}

func (p *adaptive) fits(f *media.Frame) bool {
	w, h, ok := p.size(f)
	return !ok || w&^1 <= p.width && h&^1 <= p.height
}

// size returns the size of a keyframe's pictures; ok is false when it is none
// that can be decoded.
func (p *adaptive) size(f *media.Frame) (w, h int, ok bool) {
	probe := media.NewProbe(p.codec)
	probe.Frame(f)
	t := probe.Traits()
	w, h = t.Width, t.Height
	if p.codec.Name == media.AV1 {
		if s := sequenceOf(f.Units); s != nil {
			p.sequence = s
		}
		if w == 0 {
			w, h = max(unknownWidth, p.width), max(unknownHeight, p.height)
		}
		ok = p.sequence != nil
	} else {
		ok = w > 0
	}
	return w, h, ok && w*h <= maxPixels
}

// parts leaves out what is of VP9 in more than one resolution: of all in one
// block ffmpeg would decode the first, which needs no other.
func (p *adaptive) parts(f *media.Frame) [][]byte {
	if p.codec.Name == media.AV1 {
		return sizedOBUs(f.Units)
	}
	if len(f.Units) == 0 || len(f.Units[0]) == 0 {
		return nil
	}
	return f.Units[:1]
}

// known has one of two frame rates, and never goes back: a child for each that
// a browser sends would cost more than some bits.
func (p *adaptive) known(now, before media.Traits) media.Traits {
	fast := max(unknownFPS, before.FPS)
	if now.FPS > unknownFPS*4/3 {
		fast = 2 * unknownFPS
	}
	now.FPS, now.Width, now.Height = fast, p.width, p.height
	return now
}
