package transcode

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// FLV is the way out of the child for what needs framing: its muxer writes a
// tag as soon as it has a packet, where those of Ogg, Matroska and MPEG-TS hold
// one back or cut it into pieces.

// FLV tags (Adobe Flash Video File Format Specification 10.1, annex E.4).
const (
	flvAudio = 8
	flvVideo = 9

	flvFileHeader = 9
	flvTagHeader  = 11
	flvTrailer    = 4 // size of the tag before

	flvSequenceHeader = 0 // AVCPacketType and AACPacketType
	flvCoded          = 1

	maxTag = 8 << 20 // bytes
)

var errFLV = errors.New("malformed FLV")

// flvTag is one packet of a codec, or the configuration of its decoder.
type flvTag struct {
	kind     byte          // flvAudio or flvVideo
	at       time.Duration // in whole ms
	header   bool          // Data is a decoder configuration record
	keyframe bool
	data     []byte
}

// flvReader reads the tags of one audio or video.
type flvReader struct {
	r     *bufio.Reader
	begun bool
}

// next returns the next tag that has sound, pictures or their configuration.
func (f *flvReader) next() (flvTag, error) {
	if !f.begun {
		var header [flvFileHeader + flvTrailer]byte
		if _, err := io.ReadFull(f.r, header[:]); err != nil {
			return flvTag{}, err
		}
		if string(header[:3]) != "FLV" || binary.BigEndian.Uint32(header[5:]) != flvFileHeader {
			return flvTag{}, errFLV
		}
		f.begun = true
	}
	for {
		var header [flvTagHeader]byte
		if _, err := io.ReadFull(f.r, header[:]); err != nil {
			return flvTag{}, err
		}
		size := int(header[1])<<16 | int(header[2])<<8 | int(header[3])
		if size > maxTag {
			return flvTag{}, fmt.Errorf("%w: a tag of %d bytes", errFLV, size)
		}
		body := make([]byte, size+flvTrailer)
		if _, err := io.ReadFull(f.r, body); err != nil {
			return flvTag{}, err
		}
		ms := uint32(header[7])<<24 | uint32(header[4])<<16 | uint32(header[5])<<8 | uint32(header[6])
		tag, ok := readTag(header[0], body[:size])
		tag.at += time.Duration(ms) * time.Millisecond
		if ok {
			return tag, nil
		}
	}
}

// readTag reads the body of a tag; ok is false for one without media.
func readTag(kind byte, body []byte) (tag flvTag, ok bool) {
	tag.kind = kind
	head := 2
	switch kind {
	case flvAudio:
		if len(body) < head || body[0]>>4 != 10 { // AAC
			return tag, false
		}
	case flvVideo:
		head = 5
		if len(body) < head || body[0]&0xF != 7 { // AVC
			return tag, false
		}
		tag.keyframe = body[0]>>4 == 1
		composition := int32(uint32(body[2])<<24|uint32(body[3])<<16|uint32(body[4])<<8) >> 8
		tag.at = time.Duration(composition) * time.Millisecond
	default:
		return tag, false
	}
	tag.header = body[1] == flvSequenceHeader
	tag.data = body[head:]
	return tag, (tag.header || body[1] == flvCoded) && len(tag.data) > 0
}

// readUnits takes NAL units of four bytes' length apart (ISO 14496-15 section
// 5.3.2).
func readUnits(data []byte) ([][]byte, error) {
	var units [][]byte
	for len(data) > 0 {
		if len(data) < 4 {
			return nil, errFLV
		}
		n := binary.BigEndian.Uint32(data)
		data = data[4:]
		if uint64(n) > uint64(len(data)) {
			return nil, errFLV
		}
		if n > 0 {
			units = append(units, data[:n:n])
		}
		data = data[n:]
	}
	return units, nil
}

// readParameterSets takes an AVCDecoderConfigurationRecord apart (ISO 14496-15
// section 5.2.4.1) and returns its SPS and PPS.
func readParameterSets(record []byte) ([][]byte, error) {
	if len(record) < 6 || record[4]&3 != 3 { // lengths of four bytes
		return nil, errFLV
	}
	var sets [][]byte
	rest := record[5:]
	for _, mask := range []byte{0x1F, 0xFF} {
		if len(rest) == 0 {
			return nil, errFLV
		}
		count := int(rest[0] & mask)
		rest = rest[1:]
		for range count {
			if len(rest) < 2 {
				return nil, errFLV
			}
			n := int(binary.BigEndian.Uint16(rest))
			if n == 0 || n > len(rest)-2 {
				return nil, errFLV
			}
			sets = append(sets, rest[2:2+n:2+n])
			rest = rest[2+n:]
		}
	}
	return sets, nil
}
