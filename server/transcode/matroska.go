package transcode

import (
	"encoding/binary"
	"math"
	"time"
)

// Matroska is the way into the child: it carries every codec with exact
// timestamps, and a demuxer hands on a block as soon as its last byte is
// there. (Raw ADTS costs a whole frame of delay, because its parser waits for
// the next header; MPEG-TS does the same for video.)

// Matroska element IDs (RFC 9559 section 5.1, RFC 8794 section 11.2).
const (
	idEBML               = 0x1A45DFA3
	idDocType            = 0x4282
	idDocTypeVersion     = 0x4287
	idDocTypeReadVersion = 0x4285
	idSegment            = 0x18538067
	idInfo               = 0x1549A966
	idTimestampScale     = 0x2AD7B1
	idMuxingApp          = 0x4D80
	idWritingApp         = 0x5741
	idTracks             = 0x1654AE6B
	idTrackEntry         = 0xAE
	idTrackNumber        = 0xD7
	idTrackUID           = 0x73C5
	idTrackType          = 0x83
	idFlagLacing         = 0x9C
	idCodecID            = 0x86
	idCodecPrivate       = 0x63A2
	idDefaultDuration    = 0x23E383
	idVideo              = 0xE0
	idPixelWidth         = 0xB0
	idPixelHeight        = 0xBA
	idAudio              = 0xE1
	idSamplingFrequency  = 0xB5
	idChannels           = 0x9F
	idCluster            = 0x1F43B675
	idTimestamp          = 0xE7
	idSimpleBlock        = 0xA3
)

// matroskaTrack describes the one track of a file.
type matroskaTrack struct {
	codecID       string
	private       []byte
	width, height int // video only
	frameDuration time.Duration
	sampleRate    int // audio only, in Hz
	channels      int
}

// matroskaHeader returns all that comes before the first block.
func matroskaHeader(t matroskaTrack) []byte {
	entry := join(
		elementUint(idTrackNumber, 1), elementUint(idTrackUID, 1), elementUint(idFlagLacing, 0),
		element(idCodecID, []byte(t.codecID)),
	)
	if t.private != nil {
		entry = append(entry, element(idCodecPrivate, t.private)...)
	}
	if t.frameDuration > 0 {
		entry = append(entry, elementUint(idDefaultDuration, uint64(t.frameDuration))...)
	}
	if t.sampleRate > 0 {
		rate := binary.BigEndian.AppendUint64(nil, math.Float64bits(float64(t.sampleRate)))
		entry = append(entry, elementUint(idTrackType, 2)...)
		entry = append(entry, element(idAudio, join(element(idSamplingFrequency, rate), elementUint(idChannels, uint64(t.channels))))...)
	} else {
		entry = append(entry, elementUint(idTrackType, 1)...)
		entry = append(entry, element(idVideo, join(elementUint(idPixelWidth, uint64(t.width)), elementUint(idPixelHeight, uint64(t.height))))...)
	}
	header := element(idEBML, join(element(idDocType, []byte("matroska")), elementUint(idDocTypeVersion, 4), elementUint(idDocTypeReadVersion, 2)))
	header = binary.BigEndian.AppendUint32(header, idSegment)
	header = append(header, 0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF) // of unknown size
	header = append(header, element(idInfo, join(
		elementUint(idTimestampScale, uint64(time.Microsecond)),
		element(idMuxingApp, []byte("heliograph")), element(idWritingApp, []byte("heliograph"))))...)
	return append(header, element(idTracks, element(idTrackEntry, entry))...)
}

// appendBlock appends a cluster of one block, which begins at pts from the
// beginning of the file and holds parts, one after the other.
func appendBlock(b []byte, pts time.Duration, keyframe bool, parts [][]byte) []byte {
	const blockHeader = 4
	size := blockHeader
	for _, p := range parts {
		size += len(p)
	}
	stamp := elementUint(idTimestamp, uint64(pts/time.Microsecond))
	b = appendID(b, idCluster)
	b = appendSize(b, len(stamp)+1+8+size)
	b = append(b, stamp...)
	b = appendID(b, idSimpleBlock)
	b = appendSize(b, size)
	flags := byte(0)
	if keyframe {
		flags = 0x80
	}
	b = append(b, 0x81, 0, 0, flags) // track 1, at the cluster's timestamp
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func element(id uint32, payload []byte) []byte {
	b := appendID(make([]byte, 0, 12+len(payload)), id)
	return append(appendSize(b, len(payload)), payload...)
}

func elementUint(id uint32, v uint64) []byte {
	return element(id, binary.BigEndian.AppendUint64(nil, v))
}

func appendID(b []byte, id uint32) []byte {
	for shift := 24; shift >= 0; shift -= 8 {
		if id>>shift != 0 {
			b = append(b, byte(id>>shift))
		}
	}
	return b
}

// appendSize writes every size in eight bytes: it is never known to be small.
func appendSize(b []byte, n int) []byte {
	return binary.BigEndian.AppendUint64(b, 1<<56|uint64(n))
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
