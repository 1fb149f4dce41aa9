package ts

import (
	"bytes"
	"fmt"
)

// Kind says what a stream carries.
type Kind byte

// The kinds of streams that can be taken, and Other for the rest.
const (
	Other Kind = iota
	H264
	H265
	AAC
	Opus
)

// video tells the kinds of which one is taken beside one audio.
func (k Kind) video() bool { return k == H264 || k == H265 }

// Stream is an elementary stream of the program.
type Stream struct {
	PID      uint16
	Kind     Kind
	Name     string // for people
	Channels int    // of Opus, 0 when the stream does not say
	Taken    bool   // its units are handed on
}

// Stream types: table 2-34, and those in use beyond it.
const (
	typePrivate   = 0x06
	typeAAC       = 0x0f
	typeH264      = 0x1b
	typeH265      = 0x24
	tagRegistered = 0x05
	tagSubtitling = 0x59
	tagTeletext   = 0x56
	tagAC3        = 0x6a
	tagEAC3       = 0x7a
	tagExtension  = 0x7f
	extensionOpus = 0x80
)

// describe names an elementary stream.
func describe(e elementary) Stream {
	s := Stream{PID: e.pid}
	switch e.kind {
	case typeH264:
		s.Kind, s.Name = H264, "H264"
	case typeH265:
		s.Kind, s.Name = H265, "H265"
	case typeAAC:
		s.Kind, s.Name = AAC, "AAC"
	case typePrivate:
		return private(s, e.descriptors)
	case 0x01, 0x02:
		s.Name = "MPEG-2 video"
	case 0x03, 0x04:
		s.Name = "MPEG audio (MP2 or MP3)"
	case 0x10:
		s.Name = "MPEG-4 video"
	case 0x11:
		s.Name = "AAC in LATM"
	case 0x15:
		s.Name = "metadata"
	case 0x21:
		s.Name = "JPEG 2000"
	case 0x33:
		s.Name = "H266"
	case 0x81:
		s.Name = "AC-3"
	case 0x82, 0x85, 0x86, 0x8a:
		s.Name = "DTS audio or cue messages"
	case 0x87:
		s.Name = "E-AC-3"
	default:
		s.Name = fmt.Sprintf("stream type 0x%02x", e.kind)
	}
	return s
}

// private names a stream whose descriptors say what it is.
func private(s Stream, descriptors []byte) Stream {
	s.Name = "private data"
	for len(descriptors) >= 2 {
		tag, n := descriptors[0], int(descriptors[1])
		if len(descriptors) < 2+n {
			break
		}
		body := descriptors[2 : 2+n]
		descriptors = descriptors[2+n:]
		switch {
		case tag == tagRegistered && bytes.HasPrefix(body, []byte("Opus")):
			s.Kind, s.Name = Opus, "Opus"
		case tag == tagRegistered && n >= 4:
			s.Name = registered(string(body[:4]))
		case tag == tagExtension && n >= 2 && body[0] == extensionOpus:
			s.Channels = opusChannels(body[1])
		case tag == tagAC3:
			s.Name = "AC-3"
		case tag == tagEAC3:
			s.Name = "E-AC-3"
		case tag == tagSubtitling, tag == tagTeletext:
			s.Name = "subtitles"
		}
	}
	return s
}

// registered names a format identifier that is not ours.
func registered(id string) string {
	switch id {
	case "AC-3":
		return "AC-3"
	case "EAC3":
		return "E-AC-3"
	case "AV01":
		return "AV1"
	case "VP09":
		return "VP9"
	case "HEVC":
		return "H265 as private data"
	case "KLVA":
		return "KLV metadata"
	}
	return fmt.Sprintf("private data %q", id)
}

// opusChannels reads a channel_config_code; 0 for what has no plain layout.
func opusChannels(code byte) int {
	switch {
	case code == 0: // two mono channels
		return 2
	case code <= 8:
		return int(code)
	}
	return 0
}
