package media

import (
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/vp9"
	"github.com/pion/rtp/codecs"
)

// maxSide is the longest side of a picture that is believed, in pixels.
const maxSide = 16_384

// shape is what the head of a sequence says about its pictures.
type shape struct {
	width, height int
	chroma        string
	depth         int
	interlaced    bool
	reorder       int // orderUnknown ...
}

func (s shape) ok() bool {
	return s.width > 0 && s.height > 0 && s.width <= maxSide && s.height <= maxSide
}

// parseShape reads a sequence parameter set (H264, H265) or a sequence header
// (AV1). Other units and what does not parse are not ok.
func parseShape(codec string, unit []byte) (s shape, ok bool) {
	switch codec {
	case H264:
		s, ok = shapeH264(unit)
	case H265:
		s, ok = shapeH265(unit)
	case AV1:
		s, ok = shapeAV1(unit)
	}
	return s, ok && s.ok()
}

func shapeH264(unit []byte) (shape, bool) {
	var sps h264.SPS
	if sps.Unmarshal(unit) != nil || sps.ChromaFormatIdc > 3 || sps.BitDepthLumaMinus8 > 6 {
		return shape{}, false
	}
	s := shape{
		width: sps.Width(), height: sps.Height(),
		chroma: chromaOf(sps.ChromaFormatIdc), depth: int(sps.BitDepthLumaMinus8) + 8,
		interlaced: !sps.FrameMbsOnlyFlag,
	}
	switch {
	case sps.PicOrderCntType == 2: // shown as decoded, H.264 section 8.2.1.3
		s.reorder = orderShown
	case sps.VUI != nil && sps.VUI.BitstreamRestriction != nil:
		s.reorder = claimOf(sps.VUI.BitstreamRestriction.MaxNumReorderFrames)
	}
	return s, true
}

func shapeH265(unit []byte) (shape, bool) {
	var sps h265.SPS
	if sps.Unmarshal(unit) != nil || sps.BitDepthLumaMinus8 > 8 {
		return shape{}, false
	}
	general := &sps.ProfileTierLevel
	return shape{
		width: sps.Width(), height: sps.Height(),
		chroma: chromaOf(sps.ChromaFormatIdc), depth: int(sps.BitDepthLumaMinus8) + 8,
		interlaced: sps.VUI != nil && sps.VUI.FieldSeqFlag || general.GeneralInterlacedSourceFlag && !general.GeneralProgressiveSourceFlag,
		reorder:    claimOf(sps.MaxNumReorderPics[sps.MaxSubLayersMinus1]),
	}, true
}

func shapeAV1(unit []byte) (shape, bool) {
	var head av1.SequenceHeader
	if head.Unmarshal(unit) != nil {
		return shape{}, false
	}
	c := &head.ColorConfig
	return shape{
		width: head.Width(), height: head.Height(),
		chroma: chroma(c.MonoChrome, c.SubsamplingX, c.SubsamplingY), depth: c.BitDepth,
	}, true
}

// shapeVP8 reads the head of a key frame, RFC 6386 section 9.1.
func shapeVP8(frame []byte) (shape, bool) {
	if len(frame) < 10 || frame[0]&vp8Inter != 0 || frame[3] != 0x9d || frame[4] != 0x01 || frame[5] != 0x2a {
		return shape{}, false
	}
	side := func(at int) int { return int(frame[at]) | int(frame[at+1])&0x3f<<8 } // two bits more say how to scale
	s := shape{width: side(6), height: side(8), chroma: "4:2:0", depth: 8}
	return s, s.ok()
}

func shapeVP9(frame []byte) (shape, bool) {
	var head vp9.Header
	if head.Unmarshal(frame) != nil || head.ColorConfig == nil {
		return shape{}, false
	}
	c := head.ColorConfig
	s := shape{
		width: head.Width(), height: head.Height(),
		chroma: chroma(false, c.SubsamplingX, c.SubsamplingY), depth: int(c.BitDepth),
	}
	return s, s.ok()
}

// shapeVP9Packet also looks for the largest of several spatial layers, which
// the descriptor names (RFC 9628 section 4.2.1).
func shapeVP9Packet(payload []byte) (shape, bool) {
	var d codecs.VP9Packet
	frame, err := d.Unmarshal(payload)
	if err != nil {
		return shape{}, false
	}
	s, ok := shapeVP9(frame)
	if !ok {
		return shape{}, false
	}
	for i := range min(len(d.Width), len(d.Height)) {
		s.width, s.height = max(s.width, int(d.Width[i])), max(s.height, int(d.Height[i]))
	}
	return s, s.ok()
}

func claimOf(reorder uint32) int {
	if reorder > 0 {
		return orderMixed
	}
	return orderShown
}

// chromaOf names chroma_format_idc of H264 and H265.
func chromaOf(idc uint32) string {
	return [...]string{"4:0:0", "4:2:0", "4:2:2", "4:4:4"}[idc&3]
}

func chroma(mono, halfX, halfY bool) string {
	switch {
	case mono:
		return "4:0:0"
	case halfX && halfY:
		return "4:2:0"
	case halfX:
		return "4:2:2"
	}
	return "4:4:4"
}
