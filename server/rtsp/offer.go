package rtsp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtsp/sdp"
)

const videoClock = 90_000

// Offer is one track that a camera or an encoder has.
type Offer struct {
	Kind    media.Kind
	Codec   media.Codec // of the zero ClockRate when it is not one that the server knows
	Name    string      // of the codec, for a person
	Carried bool        // false when the server cannot carry it

	media  *description.Media
	format format.Format
}

// offersOf returns the tracks of a description: at most one of each kind that
// is carried, the first. What is not carried is in the list too, to be named.
func offersOf(d *description.Session) []Offer {
	var list []Offer
	taken := map[media.Kind]bool{}
	for _, m := range d.Medias {
		kind := kindOf(m)
		if kind == 0 || m.IsBackChannel {
			continue
		}
		for _, f := range m.Formats {
			o := Offer{Kind: kind, Name: nameOf(f), media: m, format: f}
			o.Codec, o.Carried = codecOf(f)
			if o.Carried && taken[kind] {
				continue // a second picture or sound: cameras have one for recorders
			}
			taken[kind] = taken[kind] || o.Carried
			list = append(list, o)
		}
	}
	return list
}

func kindOf(m *description.Media) media.Kind {
	switch m.Type {
	case description.MediaTypeVideo:
		return media.Video
	case description.MediaTypeAudio:
		return media.Audio
	}
	return 0
}

// carried returns the offers that can be carried, and the names of the others.
func carried(offers []Offer) (list []Offer, left []string) {
	for _, o := range offers {
		if o.Carried {
			list = append(list, o)
		} else {
			left = append(left, o.Name)
		}
	}
	return list, left
}

// nameOf names a codec as a person would.
func nameOf(f format.Format) string {
	switch f := f.(type) {
	case *format.MJPEG:
		return "MJPEG"
	case *format.MPEG1Audio:
		return "MP3"
	case *format.MPEG4AudioLATM:
		return "AAC in LATM"
	case *format.MPEG4Audio:
		if f.Config.ExtensionSampleRate != 0 {
			return "HE-AAC"
		}
		return media.AAC
	case *format.G711:
		if f.SampleRate != g711Rate || f.ChannelCount != 1 {
			return fmt.Sprintf("G711 with %d Hz and %d channels", f.SampleRate, f.ChannelCount)
		}
	case *format.Opus:
		if f.ChannelCount > 2 {
			return fmt.Sprintf("Opus with %d channels", f.ChannelCount)
		}
	}
	if name, _, _ := strings.Cut(f.RTPMap(), "/"); name != "" {
		return plain(strings.TrimPrefix(name, sdp.Unusable))
	}
	return "payload type " + strconv.Itoa(int(f.PayloadType()))
}

const g711Rate = 8000

// codecOf returns the codec of a format; ok is false when it cannot be carried.
func codecOf(f format.Format) (c media.Codec, ok bool) {
	switch f := f.(type) {
	case *format.H264:
		return media.H264Codec(f.SPS, f.PPS), true
	case *format.H265:
		return media.H265Codec(f.VPS, f.SPS, f.PPS), f.MaxDONDiff == 0
	case *format.AV1:
		return media.Codec{Name: media.AV1, ClockRate: videoClock}, true
	case *format.VP8:
		return media.Codec{Name: media.VP8, ClockRate: videoClock}, true
	case *format.VP9:
		c := media.Codec{Name: media.VP9, ClockRate: videoClock}
		if f.ProfileID != nil {
			c.Fmtp = "profile-id=" + strconv.Itoa(*f.ProfileID)
		}
		return c, true
	case *format.MJPEG:
		return media.Codec{Name: media.MJPEG, ClockRate: videoClock}, false
	case *format.MPEG4Audio:
		return aacOf(f.Config)
	case *format.MPEG4AudioLATM:
		return latmOf(f)
	case *format.Opus:
		c := media.Codec{Name: media.Opus, ClockRate: 48_000, Channels: 2}
		if f.ChannelCount == 2 {
			c.Fmtp = "sprop-stereo=1;stereo=1"
		}
		return c, f.ChannelCount <= 2
	case *format.G722:
		return media.Codec{Name: media.G722, ClockRate: 8000}, true // RFC 3551 section 4.5.2: 16 kHz counted as 8
	case *format.G711:
		name := media.PCMA
		if f.MULaw {
			name = media.PCMU
		}
		return media.Codec{Name: name, ClockRate: g711Rate}, f.SampleRate == g711Rate && f.ChannelCount == 1
	}
	return media.Codec{}, false
}

// aacOf returns the codec of a configuration. With SBR nobody agrees on which
// of its two rates the timestamps count.
func aacOf(config *mpeg4audio.AudioSpecificConfig) (media.Codec, bool) {
	c := media.AACCodec(config)
	return c, c.Fmtp != "" && config.ExtensionSampleRate == 0
}

// hbr tells whether packets of AAC have the headers that the server's own have.
func hbr(f *format.MPEG4Audio) bool {
	return f.SizeLength == 13 && f.IndexLength == 3 && f.IndexDeltaLength == 3
}

// formatOf returns how a codec is described to those who play it; sets are its
// parameter sets as far as they are known. It is nil for what RTSP cannot carry.
func formatOf(c media.Codec, payloadType uint8, sets [][]byte) format.Format {
	switch c.Name {
	case media.H264:
		f := &format.H264{PayloadTyp: payloadType, PacketizationMode: 1}
		if s := setsOf(media.H264, sets); s != nil {
			f.SPS, f.PPS = s[0], s[1]
		}
		return f
	case media.H265:
		f := &format.H265{PayloadTyp: payloadType}
		if s := setsOf(media.H265, sets); s != nil {
			f.VPS, f.SPS, f.PPS = s[0], s[1], s[2]
		}
		return f
	case media.AV1:
		return &format.AV1{PayloadTyp: payloadType}
	case media.VP8:
		return &format.VP8{PayloadTyp: payloadType}
	case media.VP9:
		return &format.VP9{PayloadTyp: payloadType}
	case media.AAC:
		config, err := c.AACConfig()
		if err != nil {
			return nil
		}
		return &format.MPEG4Audio{PayloadTyp: payloadType, Config: config, SizeLength: 13, IndexLength: 3, IndexDeltaLength: 3}
	case media.Opus:
		return &format.Opus{PayloadTyp: payloadType, ChannelCount: 2}
	case media.G722:
		return &format.G722{}
	case media.PCMU:
		return &format.G711{PayloadTyp: 0, MULaw: true, SampleRate: g711Rate, ChannelCount: 1}
	case media.PCMA:
		return &format.G711{PayloadTyp: 8, SampleRate: g711Rate, ChannelCount: 1}
	}
	return nil
}

// playable tells whether a track can be played by RTSP.
func playable(c media.Codec, _ media.Traits) bool { return formatOf(c, 0, nil) != nil }

// setsOf returns one parameter set of each kind that a codec needs, in the order
// VPS, SPS, PPS; nil unless there is one of each.
func setsOf(codec string, units [][]byte) [][]byte {
	kinds := 2
	if codec == media.H265 {
		kinds = 3
	}
	list := make([][]byte, kinds)
	for _, u := range units {
		if k := setKind(codec, u); k >= 0 && list[k] == nil {
			list[k] = u
		}
	}
	for _, set := range list {
		if set == nil {
			return nil
		}
	}
	return list
}

// setKind returns the place of a NAL unit among the parameter sets, -1 when it
// is none.
func setKind(codec string, unit []byte) int {
	if len(unit) < 2 {
		return -1
	}
	if codec == media.H264 {
		switch unit[0] & 0x1f {
		case 7:
			return 0
		case 8:
			return 1
		}
		return -1
	}
	if t := unit[0] >> 1 & 0x3f; t >= 32 && t <= 34 {
		return int(t) - 32
	}
	return -1
}
