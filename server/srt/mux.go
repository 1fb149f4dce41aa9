package srt

import (
	"fmt"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/opus"
	"github.com/bluenviron/mediacommon/v2/pkg/formats/mpegts/substructs"

	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/srt/ts"
)

// startAt is the first time stamp of what we send, in ticks of 90 kHz: room
// for pictures that are decoded before they are shown.
const startAt = 90_000

// carries tells whether a transport stream can carry a track.
func carries(c media.Codec, _ media.Traits) bool { return kindOf(c) != ts.Other }

func kindOf(c media.Codec) ts.Kind {
	switch c.Name {
	case media.H264:
		return ts.H264
	case media.H265:
		return ts.H265
	case media.AAC:
		return ts.AAC
	case media.Opus:
		return ts.Opus
	}
	return ts.Other
}

// muxer writes the items of a feed as a transport stream.
type muxer struct {
	// set at construction
	out   *ts.Muxer
	kinds []ts.Kind
	lanes map[*hub.Track]*outLane

	// owned by the caller of append
	buffer []byte
}

// outLane is one track on its way out.
type outLane struct {
	index   int
	kind    ts.Kind
	sets    *media.ParameterSets
	decode  decodeTimes                     // of video
	config  *mpeg4audio.AudioSpecificConfig // of AAC
	last    int64                           // DTS
	started bool
}

// decodeTimes finds out when pictures that are shown in another order are to
// be decoded.
type decodeTimes interface {
	Extract(au [][]byte, pts int64) (int64, error)
}

// newMuxer returns a muxer of a feed's tracks.
func newMuxer(tracks []*hub.Track) (*muxer, error) {
	m := &muxer{lanes: map[*hub.Track]*outLane{}}
	channels := 2
	for i, t := range tracks {
		c := t.Codec()
		l := &outLane{index: i, kind: kindOf(c), sets: media.NewParameterSets(c)}
		l.resetDecode()
		switch l.kind {
		case ts.Other:
			return nil, fmt.Errorf("%w: %s", errMedia, c.Name)
		case ts.AAC:
			config, err := c.AACConfig()
			if err != nil {
				return nil, err
			}
			l.config = config
		case ts.Opus:
			if c.Channels == 1 {
				channels = 1
			}
		}
		m.lanes[t] = l
		m.kinds = append(m.kinds, l.kind)
	}
	m.out = ts.NewMuxer(m.kinds, channels)
	return m, nil
}

func (l *outLane) resetDecode() {
	switch l.kind {
	case ts.H264:
		d := &h264.DTSExtractor{}
		d.Initialize()
		l.decode = d
	case ts.H265:
		d := &h265.DTSExtractor{}
		d.Initialize()
		l.decode = d
	}
}

// append returns the packets of an item, valid until the next call; none for
// what cannot be written.
func (m *muxer) append(item feed.Item) ([]byte, error) {
	l := m.lanes[item.Track]
	if l == nil {
		return nil, nil
	}
	pts := startAt + timeToTicks(item.Time, 90_000)
	u, err := l.unit(item.Frame, pts)
	if err != nil || len(u.Data) == 0 {
		return nil, err
	}
	m.buffer = m.out.Append(m.buffer[:0], l.index, u, item.Frame.Keyframe || l.decode == nil)
	return m.buffer, nil
}

// unit makes the payload of a PES packet.
func (l *outLane) unit(f *media.Frame, pts int64) (u ts.Unit, err error) {
	u = ts.Unit{PTS: pts, DTS: pts}
	switch l.kind {
	case ts.AAC:
		u.Data, err = writeAAC(l.config, f.Units)
		return u, err
	case ts.Opus:
		u.Data, err = writeOpus(f.Units)
		return u, err
	}
	units := l.sets.Complete(f.Units)
	if len(units) == 0 || !l.started && !f.Keyframe {
		return u, nil
	}
	l.started = true
	u.DTS = l.decodeAt(units, pts)
	u.Data = writePicture(l.kind, units)
	return u, nil
}

// decodeAt returns when a picture is to be decoded. Where that cannot be found
// out it is when the picture is shown, but after the one before.
func (l *outLane) decodeAt(units [][]byte, pts int64) int64 {
	dts, err := l.decode.Extract(units, pts)
	if err != nil {
		l.resetDecode() // begins again with the next keyframe
		dts = max(pts, l.last+1)
	}
	l.last = dts
	return dts
}

// writePicture writes the byte stream format of annex B, with an access unit
// delimiter in front, as a transport stream has to have it.
func writePicture(k ts.Kind, units [][]byte) []byte {
	delimiter := []byte{byte(h264.NALUTypeAccessUnitDelimiter), 0xf0}
	if k == ts.H265 {
		delimiter = []byte{byte(h265.NALUType_AUD_NUT) << 1, 1, 0x50}
	}
	n := 4 + len(delimiter)
	for _, u := range units {
		n += 4 + len(u)
	}
	b := append(append(make([]byte, 0, n), 0, 0, 0, 1), delimiter...)
	for _, u := range units {
		b = append(append(b, 0, 0, 0, 1), u...)
	}
	return b
}

// writeAAC writes ADTS packets.
func writeAAC(c *mpeg4audio.AudioSpecificConfig, units [][]byte) ([]byte, error) {
	var packets mpeg4audio.ADTSPackets
	for _, u := range units {
		packets = append(packets, &mpeg4audio.ADTSPacket{Type: c.Type, SampleRate: c.SampleRate, ChannelConfig: c.ChannelConfig, AU: u})
	}
	return packets.Marshal()
}

// writeOpus writes Opus packets with their control headers.
func writeOpus(units [][]byte) ([]byte, error) {
	var b []byte
	for _, u := range units {
		if opus.PacketDuration2(u) == 0 {
			continue
		}
		au := substructs.OpusAccessUnit{ControlHeader: substructs.OpusControlHeader{PayloadSize: len(u)}, Packet: u}
		at := len(b)
		b = append(b, make([]byte, au.MarshalSize())...)
		if _, err := au.MarshalTo(b[at:]); err != nil {
			return nil, err
		}
	}
	return b, nil
}
