package ingest

import (
	"fmt"

	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// mediaEngine knows just the codec that each section is answered with, the
// first that the offer prefers: a publisher that may choose among several could
// change its codec without a word.
func mediaEngine(o *offer.Offer) (*webrtc.MediaEngine, error) {
	m := &webrtc.MediaEngine{}
	for _, s := range o.Sections {
		first, kind := s.Codecs[0], pionKind(s.Kind)
		p := webrtc.RTPCodecParameters{PayloadType: webrtc.PayloadType(first.Payload)}
		p.MimeType = s.Kind.String() + "/" + first.Codec.Name
		p.ClockRate, p.Channels, p.SDPFmtpLine = first.Codec.ClockRate, first.Codec.Channels, first.Codec.Fmtp
		p.RTCPFeedback = []webrtc.RTCPFeedback{{Type: "nack"}}
		if s.Kind == media.Video {
			p.RTCPFeedback = append(p.RTCPFeedback, webrtc.RTCPFeedback{Type: "nack", Parameter: "pli"})
		}
		if err := m.RegisterCodec(p, kind); err != nil {
			return nil, fmt.Errorf("registering %s: %w", p.MimeType, err)
		}
		// Undeclared SSRCs cannot be told from each other, so none for RTX.
		if first.RTXFmtp == "" || !s.SSRCs {
			continue
		}
		rtx := webrtc.RTPCodecParameters{PayloadType: webrtc.PayloadType(first.RTX)}
		rtx.MimeType, rtx.ClockRate, rtx.SDPFmtpLine = s.Kind.String()+"/rtx", first.Codec.ClockRate, first.RTXFmtp
		if err := m.RegisterCodec(rtx, kind); err != nil {
			return nil, fmt.Errorf("registering rtx: %w", err)
		}
	}
	return m, nil
}

func pionKind(k media.Kind) webrtc.RTPCodecType {
	if k == media.Audio {
		return webrtc.RTPCodecTypeAudio
	}
	return webrtc.RTPCodecTypeVideo
}
