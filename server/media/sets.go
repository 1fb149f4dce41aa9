package media

import (
	"bytes"
	"slices"
)

// setKinds is how many kinds of parameter sets there are, at most.
const setKinds = 3

// ParameterSets keeps the newest parameter sets of one track of H264 or H265
// and puts them in front of keyframes that come without: viewers who join need
// them, and browsers take them from nowhere else. Tracks of other codecs pass
// as they are. One track uses either Complete or Packet.
type ParameterSets struct {
	// set at construction
	codec string
	kinds int // that a keyframe needs, 0 for codecs without

	// owned by the caller of Complete or Packet
	sets  [setKinds][][]byte
	has   [setKinds]bool // kinds that the picture now passing has brought
	stamp uint32         // of this picture
	begun bool
	given bool // they were inserted in this picture
}

// NewParameterSets returns the sets that the format parameters name.
func NewParameterSets(c Codec) *ParameterSets {
	s := &ParameterSets{codec: c.Name}
	switch c.Name {
	case H264:
		s.kinds = 2
	case H265:
		s.kinds = 3
	}
	for _, set := range c.ParameterSets() {
		kind := setKind(c.Name, set)
		s.sets[kind] = append(s.sets[kind], set)
	}
	return s
}

// Complete returns the units of a frame with parameter sets in front of a
// keyframe, and without empty units and access unit delimiters. A frame
// without a picture becomes none: the sets that it brings are kept for the
// next keyframe.
func (s *ParameterSets) Complete(units [][]byte) [][]byte {
	if s.kinds == 0 {
		return units
	}
	s.has = [setKinds]bool{}
	picture, key, clean := false, false, true
	for _, u := range units {
		if s.superfluous(u) {
			clean = false
			continue
		}
		s.take(u)
		p, k := s.pictureOf(u)
		picture, key = picture || p, key || k
	}
	if !picture {
		return nil
	}
	lacks := key && s.lacks()
	if clean && !lacks {
		return units
	}
	out := make([][]byte, 0, len(units)+setKinds)
	if lacks {
		out = append(out, s.all()...)
	}
	for _, u := range units {
		if !s.superfluous(u) && (!lacks || setKind(s.codec, u) < 0) {
			out = append(out, u)
		}
	}
	return out
}

// Packet takes the next RTP packet and returns the payload of one with the
// parameter sets, to be sent before it with the same timestamp and no marker;
// nil for most packets.
func (s *ParameterSets) Packet(ts uint32, payload []byte) (insert []byte) {
	if s.kinds == 0 || len(payload) <= h265HeaderSize {
		return nil
	}
	if !s.begun || ts != s.stamp {
		s.begun, s.stamp, s.given, s.has = true, ts, false, [setKinds]bool{}
	}
	key := false
	units, kind, begins := insideOf(s.codec, payload)
	if units == nil {
		key = begins && isKey(s.codec, kind)
	} else {
		for u := range aggregated(units) {
			if !s.superfluous(u) {
				s.take(u)
				_, k := s.pictureOf(u)
				key = key || k
			}
		}
	}
	if units == nil && !isFragment(s.codec, payload) {
		s.take(payload)
	}
	if !key || s.given || !s.lacks() {
		return nil
	}
	s.given = true
	return s.aggregate()
}

// insideOf tells what an RTP payload holds: several units, or one or a part of
// one that begins with it or not, and of which kind.
func insideOf(codec string, payload []byte) (units []byte, kind byte, begins bool) {
	if codec == H264 {
		switch kind := payload[0] & h264TypeMask; kind {
		case h264STAPA:
			return payload[1:], kind, true
		case h264FUA:
			return nil, payload[1] & h264TypeMask, payload[1]&fuStart != 0
		default:
			return nil, kind, true
		}
	}
	switch kind := h265Type(payload[0]); kind {
	case h265AP:
		return payload[h265HeaderSize:], kind, true
	case h265FU:
		return nil, payload[2] & h265FUTypeMask, payload[2]&fuStart != 0
	default:
		return nil, kind, true
	}
}

func isFragment(codec string, payload []byte) bool {
	if codec == H264 {
		return payload[0]&h264TypeMask == h264FUA
	}
	return h265Type(payload[0]) == h265FU
}

func isKey(codec string, kind byte) bool {
	if codec == H264 {
		return kind == h264IDR
	}
	return kind >= h265FirstIRAP && kind <= h265LastIRAP
}

// superfluous says whether a unit is of no use to anybody.
func (s *ParameterSets) superfluous(u []byte) bool {
	switch {
	case len(u) == 0:
		return true
	case s.codec == H264:
		return u[0]&h264TypeMask == h264Delimiter
	}
	return len(u) <= h265HeaderSize || h265Type(u[0]) == h265Delimiter
}

// pictureOf says whether a unit is a slice, and of a keyframe.
func (s *ParameterSets) pictureOf(u []byte) (picture, key bool) {
	if s.codec == H264 {
		kind := u[0] & h264TypeMask
		return kind >= h264Slice && kind <= h264IDR, kind == h264IDR
	}
	kind := h265Type(u[0])
	return kind <= h265LastVCL, isKey(H265, kind)
}

// take keeps a unit that is a parameter set. The first of its kind in a
// picture drops those of the pictures before.
func (s *ParameterSets) take(u []byte) {
	kind := setKind(s.codec, u)
	if kind < 0 || len(u) > maxParameterSet {
		return
	}
	same := func(have []byte) bool { return bytes.Equal(have, u) }
	if !s.has[kind] {
		s.has[kind] = true
		if len(s.sets[kind]) == 1 && same(s.sets[kind][0]) {
			return
		}
		s.sets[kind] = nil
	}
	if len(s.sets[kind]) < maxParameterSets && !slices.ContainsFunc(s.sets[kind], same) {
		s.sets[kind] = append(s.sets[kind], bytes.Clone(u))
	}
}

// lacks says whether the picture now passing lacks sets that are known.
func (s *ParameterSets) lacks() bool {
	for kind := range s.kinds {
		if !s.has[kind] && len(s.sets[kind]) > 0 {
			return true
		}
	}
	return false
}

func (s *ParameterSets) all() [][]byte { return slices.Concat(s.sets[:]...) }

// aggregate returns one payload with all sets, nil when they do not go in.
func (s *ParameterSets) aggregate() []byte {
	list := s.all()
	if len(list) == 1 && len(list[0]) <= MaxPayload {
		return list[0]
	}
	out := []byte{3<<5 | h264STAPA}
	if s.codec == H265 {
		out = []byte{h265AP << 1, 1}
	}
	for _, set := range list {
		out = append(append(out, byte(len(set)>>8), byte(len(set))), set...)
	}
	if len(out) > MaxPayload {
		return nil
	}
	return out
}
