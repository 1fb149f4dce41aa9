package rtsp

import (
	"errors"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/format/rtpfragmented"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtp"

	"github.com/heliograph/heliograph/server/media"
)

// latm takes AAC out of LATM (RFC 6416 section 6), as older cameras send it.
type latm struct {
	config *mpeg4audio.StreamMuxConfig
	gather *rtpfragmented.Decoder
}

// latmOf returns the codec within LATM. Only one stream whose configuration the
// SDP has is carried.
func latmOf(f *format.MPEG4AudioLATM) (media.Codec, bool) {
	c := f.StreamMuxConfig
	if f.CPresent || c == nil || len(c.Programs) != 1 || len(c.Programs[0].Layers) != 1 {
		return media.Codec{}, false
	}
	return aacOf(c.Programs[0].Layers[0].AudioSpecificConfig)
}

func newLATM(f *format.MPEG4AudioLATM) *latm {
	return &latm{config: f.StreamMuxConfig, gather: &rtpfragmented.Decoder{}}
}

var errLATM = errors.New("malformed LATM")

// push takes a packet and returns the access units that it completes.
func (l *latm) push(p *rtp.Packet) ([][]byte, error) {
	element, err := l.gather.Decode(p)
	if errors.Is(err, rtpfragmented.ErrMorePacketsNeeded) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	e := mpeg4audio.AudioMuxElement{StreamMuxConfig: l.config}
	if err := e.Unmarshal(element); err != nil {
		return nil, err
	}
	var units [][]byte
	for _, frame := range e.Payloads {
		if len(frame) != 1 || len(frame[0]) != 1 || len(frame[0][0]) == 0 {
			return nil, errLATM
		}
		units = append(units, frame[0][0])
	}
	if len(units) == 0 {
		return nil, errLATM
	}
	return units, nil
}
