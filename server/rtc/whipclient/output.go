package whipclient

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// output is a track of the connection, and what was sent on it.
type output struct {
	// set at construction
	pc     *webrtc.PeerConnection
	kind   webrtc.RTPCodecType
	id     string
	codec  string
	sender *webrtc.RTPSender

	// guarded by mu
	mu      sync.Mutex
	writer  webrtc.TrackLocalWriter // nil until the other side has taken the track
	ssrc    uint32
	pt      uint8
	packets uint32
	octets  uint32
}

var _ webrtc.TrackLocal = (*output)(nil)

// Bind is called when the answer has come.
func (o *output) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, p := range c.CodecParameters() {
		_, name, _ := strings.Cut(p.MimeType, "/")
		if !strings.EqualFold(name, o.codec) {
			continue
		}
		o.mu.Lock()
		o.writer, o.ssrc, o.pt = c.WriteStream(), uint32(c.SSRC()), uint8(p.PayloadType)
		o.mu.Unlock()
		return p, nil
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind is called when the connection ends.
func (o *output) Unbind(webrtc.TrackLocalContext) error {
	o.mu.Lock()
	o.writer = nil
	o.mu.Unlock()
	return nil
}

// ID names the track in the offer.
func (o *output) ID() string { return o.id }

// RID is for layers, of which there is one.
func (o *output) RID() string { return "" }

// StreamID is alike for the tracks of a stream, which are played in step.
func (o *output) StreamID() string { return "heliograph" }

// Kind returns whether it is audio or video.
func (o *output) Kind() webrtc.RTPCodecType { return o.kind }

func (o *output) bound() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.writer != nil
}

// write sends a packet and returns its size.
func (o *output) write(p *media.Packet) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.writer == nil {
		return 0
	}
	h := &rtp.Header{
		Version: 2, Marker: p.Marker, PayloadType: o.pt, SequenceNumber: uint16(p.Seq), Timestamp: p.Timestamp, SSRC: o.ssrc,
	}
	n, err := o.writer.WriteRTP(h, p.Payload)
	if err != nil {
		return 0
	}
	o.packets++
	o.octets += uint32(len(p.Payload))
	return n
}

// listen takes the other side's wishes until the connection ends.
func (o *output) listen(t *hub.Track) {
	for {
		list, _, err := o.sender.ReadRTCP()
		if err != nil {
			return
		}
		for _, p := range list {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				t.RequestKeyframe(0)
			}
		}
	}
}

// report tells the other side the time of the track's timestamps, so that
// audio and video stay in step.
func (o *output) report(ctx context.Context, t *hub.Track) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		if now := time.Now(); o.bound() {
			if stamp, ok := t.StampAt(now); ok {
				o.mu.Lock()
				r := &rtcp.SenderReport{SSRC: o.ssrc, NTPTime: media.NTP(now), RTPTime: stamp, PacketCount: o.packets, OctetCount: o.octets}
				o.mu.Unlock()
				_ = o.pc.WriteRTCP([]rtcp.Packet{r}) // the next one may get through
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
