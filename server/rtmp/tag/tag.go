// Package tag reads and writes the audio and video messages of RTMP: those of
// the FLV specification (section E.4) and those of Enhanced RTMP 2. It knows
// bytes and codecs, no connection.
package tag

import (
	"errors"
	"fmt"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// ErrMalformed says that a message does not parse; test with errors.Is.
var ErrMalformed = errors.New("malformed audio or video message")

// What a tag holds.
const (
	Config = iota + 1 // of the decoder
	Frame
	End   // of the sequence
	Other // nothing that is carried: commands, colour metadata
)

// Tag is one track's part of a message.
type Tag struct {
	Kind     media.Kind
	What     int           // Config, Frame, End or Other
	Codec    string        // a name of package media, or for people that of a codec which it does not know
	Track    byte          // number of the track in a message of many; 0 is the main one
	Keyframe bool          // the sender says so
	Offset   time.Duration // of the presentation time to the message's time
	Payload  []byte
	Stereo   bool // legacy audio
}

// Sizes of what a message may hold.
const maxTracks = 16

// Packet types of Enhanced RTMP.
const (
	sequenceStart = 0
	codedFrames   = 1
	sequenceEnd   = 2
	codedFramesX  = 3
	multitrackA   = 5
	multitrackV   = 6
	modEx         = 7
)

// Kinds of a message of many tracks.
const (
	oneTrack   = 0
	manyCodecs = 2
)

// FourCC of each codec of Enhanced RTMP, and what media or people call it.
func codecOf(fourCC string) string {
	switch fourCC {
	case "avc1":
		return media.H264
	case "hvc1":
		return media.H265
	case "av01":
		return media.AV1
	case "vp09":
		return media.VP9
	case "vp08":
		return media.VP8
	case "vvc1":
		return "H266"
	case "mp4a":
		return media.AAC
	case "Opus":
		return media.Opus
	case ".mp3":
		return "MP3"
	case "ac-3":
		return "AC-3"
	case "ec-3":
		return "E-AC-3"
	case "fLaC":
		return "FLAC"
	}
	return fmt.Sprintf("%.8q", fourCC)
}

// Video reads a video message.
func Video(b []byte) ([]Tag, error) {
	if len(b) == 0 {
		return nil, nil // some encoders send it to say that they are there
	}
	frame := b[0] >> 4 & 7
	t := Tag{Kind: media.Video, What: Other, Keyframe: frame == 1}
	if b[0]&0x80 != 0 {
		if frame == 5 {
			return nil, nil // a command to a player
		}
		return enhanced(t, b[0]&0x0f, b[1:])
	}
	if frame == 5 {
		return nil, nil
	}
	t.Codec = legacyVideo(b[0] & 0x0f)
	if t.Codec != media.H264 && t.Codec != media.H265 {
		return []Tag{t}, nil
	}
	if len(b) < 5 {
		return nil, fmt.Errorf("%w: %d bytes of video", ErrMalformed, len(b))
	}
	t.Offset, t.Payload = compositionTime(b[2:]), b[5:]
	switch b[1] {
	case 0:
		t.What = Config
	case 1:
		t.What = Frame
	case 2:
		t.What = End
	}
	return []Tag{t}, nil
}

func legacyVideo(id byte) string {
	switch id {
	case 2:
		return "Sorenson H263"
	case 3, 6:
		return "Screen Video"
	case 4, 5:
		return "VP6"
	case 7:
		return media.H264
	case 12: // of some encoders, before there was Enhanced RTMP
		return media.H265
	}
	return fmt.Sprintf("video codec %d", id)
}

// compositionTime is a signed number of 24 bits, in ms.
func compositionTime(b []byte) time.Duration {
	n := int32(uint32(b[0])<<24|uint32(b[1])<<16|uint32(b[2])<<8) >> 8
	return time.Duration(n) * time.Millisecond
}

// Audio reads an audio message.
func Audio(b []byte) ([]Tag, error) {
	if len(b) == 0 {
		return nil, nil
	}
	t := Tag{Kind: media.Audio, What: Frame, Keyframe: true, Stereo: b[0]&1 != 0}
	id := b[0] >> 4
	if id == 9 {
		return enhanced(t, b[0]&0x0f, b[1:])
	}
	t.Codec, t.Payload = legacyAudio(id), b[1:]
	if t.Codec != media.AAC {
		return []Tag{t}, nil
	}
	if len(b) < 2 {
		return nil, fmt.Errorf("%w: %d bytes of audio", ErrMalformed, len(b))
	}
	if t.Payload = b[2:]; b[1] == 0 {
		t.What = Config
	}
	return []Tag{t}, nil
}

func legacyAudio(id byte) string {
	switch id {
	case 0, 3:
		return "PCM"
	case 1:
		return "ADPCM"
	case 2, 14:
		return "MP3"
	case 4, 5, 6:
		return "Nellymoser"
	case 7:
		return media.PCMA
	case 8:
		return media.PCMU
	case 10:
		return media.AAC
	case 11:
		return "Speex"
	}
	return fmt.Sprintf("audio codec %d", id)
}

// enhanced reads what follows the first byte of a message of Enhanced RTMP;
// t holds what that byte said.
func enhanced(t Tag, kind byte, b []byte) ([]Tag, error) {
	kind, b, err := modifiers(&t, kind, b)
	if err != nil {
		return nil, err
	}
	multi := kind == multitrackV && t.Kind == media.Video || kind == multitrackA && t.Kind == media.Audio
	if !multi {
		fourCC, b, err := take(b, 4)
		if err != nil {
			return nil, err
		}
		t.Codec = codecOf(string(fourCC))
		t, err = t.body(kind, b)
		return []Tag{t}, err
	}
	head, b, err := take(b, 1)
	if err != nil {
		return nil, err
	}
	return t.tracks(head[0]>>4, head[0]&0x0f, b)
}

// modifiers reads what changes the meaning of a message (ModEx).
func modifiers(t *Tag, kind byte, b []byte) (byte, []byte, error) {
	for kind == modEx {
		head, rest, err := take(b, 1)
		if err != nil {
			return 0, nil, err
		}
		size := int(head[0]) + 1
		if size == 256 {
			if head, rest, err = take(rest, 2); err != nil {
				return 0, nil, err
			}
			size = int(head[0])<<8 + int(head[1]) + 1
		}
		data, rest, err := take(rest, size)
		if err != nil {
			return 0, nil, err
		}
		if head, rest, err = take(rest, 1); err != nil {
			return 0, nil, err
		}
		if head[0]>>4 == 0 && size >= 3 { // ns to add to the timestamp
			t.Offset += time.Duration(uint32(data[0])<<16 | uint32(data[1])<<8 | uint32(data[2]))
		}
		kind, b = head[0]&0x0f, rest
	}
	return kind, b, nil
}

// tracks reads a message of several tracks.
func (t Tag) tracks(multi, kind byte, b []byte) ([]Tag, error) {
	var list []Tag
	if multi != manyCodecs {
		fourCC, rest, err := take(b, 4)
		if err != nil {
			return nil, err
		}
		t.Codec, b = codecOf(string(fourCC)), rest
	}
	for len(b) > 0 && len(list) < maxTracks {
		one, rest, err := t.track(multi, b)
		if err != nil {
			return nil, err
		}
		if one, err = one.body(kind, one.Payload); err != nil {
			return nil, err
		}
		list, b = append(list, one), rest
	}
	return list, nil
}

// track reads the head of one track and cuts off its payload.
func (t Tag) track(multi byte, b []byte) (Tag, []byte, error) {
	if multi == manyCodecs {
		fourCC, rest, err := take(b, 4)
		if err != nil {
			return t, nil, err
		}
		t.Codec, b = codecOf(string(fourCC)), rest
	}
	number, b, err := take(b, 1)
	if err != nil {
		return t, nil, err
	}
	t.Track = number[0]
	if multi == oneTrack {
		t.Payload = b
		return t, nil, nil
	}
	size, b, err := take(b, 3)
	if err != nil {
		return t, nil, err
	}
	t.Payload, b, err = take(b, int(size[0])<<16|int(size[1])<<8|int(size[2]))
	return t, b, err
}

// body sets what a payload of a packet type is.
func (t Tag) body(kind byte, b []byte) (Tag, error) {
	t.What, t.Payload = Other, b
	switch kind {
	case sequenceStart:
		t.What = Config
	case sequenceEnd:
		t.What = End
	case codedFramesX:
		t.What = Frame
		if t.Kind == media.Audio {
			t.What = Other
		}
	case codedFrames:
		t.What = Frame
		if t.Codec != media.H264 && t.Codec != media.H265 && t.Codec != "H266" {
			break
		}
		if len(b) < 3 {
			return t, fmt.Errorf("%w: no composition time", ErrMalformed)
		}
		t.Offset += compositionTime(b)
		t.Payload = b[3:]
	}
	return t, nil
}

func take(b []byte, n int) (head, rest []byte, err error) {
	if n > len(b) {
		return nil, nil, fmt.Errorf("%w: cut short", ErrMalformed)
	}
	return b[:n], b[n:], nil
}

// Message is one message of an aggregate.
type Message struct {
	Type byte
	Time uint32 // ms
	Body []byte
}

// Aggregate takes an aggregate message (type 22) apart. at is its own time, to
// which those of its parts are shifted.
func Aggregate(at uint32, b []byte) ([]Message, error) {
	const header, trailer = 11, 4
	var list []Message
	first := uint32(0)
	for len(b) > 0 {
		if len(b) < header {
			return nil, fmt.Errorf("%w: aggregate cut short", ErrMalformed)
		}
		size := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		stamp := uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
		if len(list) == 0 {
			first = stamp
		}
		if len(b) < header+size {
			return nil, fmt.Errorf("%w: aggregate cut short", ErrMalformed)
		}
		list = append(list, Message{Type: b[0], Time: at + stamp - first, Body: b[header : header+size]})
		b = b[min(header+size+trailer, len(b)):]
	}
	return list, nil
}
