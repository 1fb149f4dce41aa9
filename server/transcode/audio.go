package transcode

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"

	"github.com/heliograph/heliograph/server/media"
)

func opusTarget() media.Codec {
	return media.Codec{Name: media.Opus, ClockRate: outputRate, Channels: outputChannels, Fmtp: "sprop-stereo=1"}
}

func aacTarget() media.Codec {
	return media.AACCodec(&mpeg4audio.AudioSpecificConfig{
		Type: mpeg4audio.ObjectTypeAACLC, SampleRate: outputRate, ChannelConfig: outputChannels,
	})
}

// audio converts sound.
type audio struct {
	// set at construction
	track  matroskaTrack
	length func(unit []byte) int64 // of a unit, in ticks of the source
	target string
	rate   int64 // the source's clock rate, in Hz

	// owned by the goroutine that feeds; the reader's child begins after
	stamps stamps
	origin int64 // timestamp of the child's first sample
	pacer  pacer

	// owned by the goroutine that reads
	samples int64 // where the next frame begins, from the child's first sample on
	flv     flvReader

	// guards itself
	journal journal
}

var _ format = (*audio)(nil)

func newAudio(source, target media.Codec) (*audio, error) {
	f := &audio{target: target.Name, rate: int64(source.ClockRate)}
	if f.rate == 0 {
		return nil, fmt.Errorf("%w: no clock rate", media.ErrFormat)
	}
	channels := int(max(source.Channels, 1))
	f.track = matroskaTrack{sampleRate: int(source.ClockRate), channels: channels}
	f.length = func(unit []byte) int64 { return int64(len(unit) / channels) }
	switch source.Name {
	case media.AAC:
		config, err := source.AACConfig()
		if err != nil {
			return nil, err
		}
		if f.track.private, err = config.Marshal(); err != nil {
			return nil, err
		}
		f.track.codecID = "A_AAC"
		f.length = func([]byte) int64 { return mpeg4audio.SamplesPerAccessUnit }
	case media.Opus:
		f.track.codecID, f.track.channels = "A_OPUS", 2
		f.track.private = opusHead()
		f.length = opus.PacketDuration2
	case media.PCMU:
		f.track.codecID, f.track.private = "A_MS/ACM", waveFormat(waveMuLaw, f.track)
	case media.PCMA:
		f.track.codecID, f.track.private = "A_MS/ACM", waveFormat(waveALaw, f.track)
	case media.G722:
		f.track.sampleRate = 2 * int(source.ClockRate) // RFC 3551 section 4.5.2
		f.track.codecID, f.track.private = "A_MS/ACM", waveFormat(waveG722, f.track)
	default:
		return nil, fmt.Errorf("%w: %s", ErrTarget, source.Name)
	}
	return f, nil
}

// Format tags of a WAVEFORMATEX.
const (
	waveALaw  = 6
	waveMuLaw = 7
	waveG722  = 0x028F
)

func waveFormat(tag uint16, t matroskaTrack) []byte {
	bits := 8
	if tag == waveG722 {
		bits = 4
	}
	b := binary.LittleEndian.AppendUint16(nil, tag)
	b = binary.LittleEndian.AppendUint16(b, uint16(t.channels))
	b = binary.LittleEndian.AppendUint32(b, uint32(t.sampleRate))
	b = binary.LittleEndian.AppendUint32(b, uint32(t.sampleRate*t.channels*bits/8))
	b = binary.LittleEndian.AppendUint16(b, uint16(t.channels)) // bytes of a block
	b = binary.LittleEndian.AppendUint16(b, uint16(bits))
	return binary.LittleEndian.AppendUint16(b, 0) // nothing more
}

// opusHead is the identification header of RFC 7845 section 5.1, for sound of
// which nothing is skipped.
func opusHead() []byte {
	b := append([]byte("OpusHead"), 1, 2)
	b = binary.LittleEndian.AppendUint16(b, 0) // pre-skip
	b = binary.LittleEndian.AppendUint32(b, outputRate)
	return append(b, 0, 0, 0) // no gain, channel mapping family 0
}

func (f *audio) begin(a arrival) (args []string, header []byte, ok bool) {
	f.origin = f.stamps.extend(a.frame.Timestamp)
	f.journal.clear()
	f.pacer = pacer{}
	f.samples, f.flv = -opusLookahead, flvReader{}
	if f.target == media.AAC {
		f.samples = -aacLookahead
	}
	return audioArgs(f.target), matroskaHeader(f.track), true
}

func (f *audio) append(b []byte, a arrival) ([]byte, error) {
	stamp := f.stamps.extend(a.frame.Timestamp)
	for _, unit := range a.frame.Units {
		if len(unit) == 0 {
			continue
		}
		ticks := f.length(unit)
		at, err := f.pacer.place(span(stamp-f.origin, f.rate), span(ticks, f.rate))
		if err == nil && at > maxFile {
			err = errGap
		}
		if err != nil {
			return b, err
		}
		if at >= 0 {
			f.journal.add(entry{pts: at, stamp: stamp, at: a.at})
			b = appendBlock(b, at, true, [][]byte{unit})
		}
		stamp += ticks
	}
	return b, nil
}

// read counts samples: the child's output has no gaps.
func (f *audio) read(r *bufio.Reader) (output, error) {
	var unit []byte
	var length int64
	var err error
	if f.target == media.Opus {
		unit, err = readOpus(r)
		length = opusSamples
	} else {
		unit, err = f.readAAC(r)
		length = aacSamples
	}
	if err != nil || unit == nil {
		return output{}, err
	}
	begin := f.samples
	f.samples += length
	if f.samples <= 0 { // nothing but what the encoder began with
		return output{}, nil
	}
	stamp := scale(f.origin, f.rate, outputRate) + begin
	out := output{units: [][]byte{unit}, keyframe: true, stamp: stamp, source: f.origin + scale(begin, outputRate, f.rate)}
	if e, ok := f.journal.sound(span(max(begin, 0), outputRate)); ok {
		out.at = e.at
	}
	return out, nil
}

// The first byte of an Opus packet that lowdelay makes: CELT of any bandwidth,
// and 20 ms (RFC 6716 section 3.1).
const (
	celtMask = 0b1_00_11_000
	celt20   = 0b1_00_11_000
)

// readOpus reads one packet. At a constant bit rate all have one size; a first
// byte that is none shows that we are out of step.
func readOpus(r *bufio.Reader) ([]byte, error) {
	unit := make([]byte, opusPacketBytes)
	if _, err := io.ReadFull(r, unit); err != nil {
		return nil, err
	}
	if unit[0]&celtMask != celt20 {
		return nil, fmt.Errorf("no Opus packet begins with %#x", unit[0])
	}
	return unit, nil
}

// readAAC returns nil for the decoder's configuration, which is known.
func (f *audio) readAAC(r *bufio.Reader) ([]byte, error) {
	if f.flv.r == nil {
		f.flv.r = r
	}
	tag, err := f.flv.next()
	if err != nil || tag.kind != flvAudio || tag.header {
		return nil, err
	}
	return tag.data, nil
}
