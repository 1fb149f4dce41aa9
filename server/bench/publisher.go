package bench

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"golang.org/x/sync/errgroup"

	"github.com/heliograph/heliograph/server/bench/clip"
)

// publisher sends the clip in a loop with timestamps that go on.
type publisher struct {
	// set at construction
	peer         *peer
	clip         *clip.Clip
	video, audio *webrtc.TrackLocalStaticRTP
	senders      []*webrtc.RTPSender

	// atomic
	keyWanted atomic.Bool
	frames    atomic.Uint64 // sent so far
	packets   atomic.Uint64 // of video and audio
	bytes     atomic.Uint64 // RTP, with headers
	plis      atomic.Uint64
	late      histogram // how long after its time a frame was begun
}

// newPublisher connects to a WHIP endpoint; Run then sends.
func newPublisher(ctx context.Context, d *dialer, to Endpoint, c *clip.Clip) (*publisher, error) {
	ip, err := localAddr(to.URL)
	if err != nil {
		return nil, err
	}
	p := &publisher{clip: c}
	if err := p.open(d, ip); err != nil {
		return nil, err
	}
	if err = p.peer.negotiate(ctx, to); err == nil {
		err = p.peer.connected(ctx)
	}
	if err != nil {
		p.peer.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return p, nil
}

func (p *publisher) open(d *dialer, ip net.IP) error {
	engine, err := newMediaEngine()
	if err != nil {
		return err
	}
	registry := &interceptor.Registry{}
	if err = webrtc.ConfigureNack(engine, registry); err == nil {
		err = webrtc.ConfigureRTCPReports(registry)
	}
	if err != nil {
		return fmt.Errorf("the publisher's interceptors: %w", err)
	}
	if p.peer, err = d.newPeer(ip, registry, engine); err != nil {
		return err
	}
	video := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeH264, ClockRate: clip.VideoClock}
	audio := webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: clip.AudioClock, Channels: 2}
	if p.video, err = p.addTrack(video, "video"); err == nil {
		p.audio, err = p.addTrack(audio, "audio")
	}
	if err != nil {
		p.peer.close(context.Background())
		return fmt.Errorf("the publisher's tracks: %w", err)
	}
	return nil
}

func (p *publisher) addTrack(codec webrtc.RTPCodecCapability, name string) (*webrtc.TrackLocalStaticRTP, error) {
	track, err := webrtc.NewTrackLocalStaticRTP(codec, name, "heliograph-bench")
	if err != nil {
		return nil, err
	}
	t, err := p.peer.pc.AddTransceiverFromTrack(track,
		webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	if err != nil {
		return nil, err
	}
	p.senders = append(p.senders, t.Sender())
	return track, nil
}

// Run sends until ctx ends (nil) or the connection is lost. It closes the
// session before it returns.
func (p *publisher) Run(ctx context.Context) error {
	g, running := errgroup.WithContext(ctx)
	g.Go(func() error { return p.sendVideo(running) })
	g.Go(func() error { return p.sendAudio(running) })
	g.Go(func() error { return p.watch(running) })
	var readers errgroup.Group
	for _, s := range p.senders {
		readers.Go(func() error { p.readFeedback(s); return nil })
	}
	err := g.Wait()
	p.peer.close(context.WithoutCancel(ctx))
	_ = readers.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (p *publisher) watch(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s := <-p.peer.state:
			if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
				return fmt.Errorf("publisher: %w", errDisconnected)
			}
		}
	}
}

// readFeedback notes requests for a keyframe until the sender is closed.
func (p *publisher) readFeedback(s *webrtc.RTPSender) {
	for {
		packets, _, err := s.ReadRTCP()
		if err != nil {
			return
		}
		for _, packet := range packets {
			switch packet.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				p.plis.Add(1)
				p.keyWanted.Store(true)
			}
		}
	}
}

// sendVideo sends a frame whenever one is due, its packets in one go. After a
// request it continues at the clip's next keyframe, as a browser's encoder
// makes one of the next picture.
func (p *publisher) sendVideo(ctx context.Context) error {
	period := time.Second / time.Duration(p.clip.FPS)
	at := 0
	header := rtp.Header{Version: 2}
	return every(ctx, period, func(n int, late time.Duration) error {
		p.late.add(late)
		if p.keyWanted.CompareAndSwap(true, false) {
			at = p.clip.NextKey(at)
		}
		f := &p.clip.Frames[at]
		at = (at + 1) % len(p.clip.Frames)
		header.Timestamp = uint32(uint64(n) * clip.VideoClock / uint64(p.clip.FPS))
		f.Stamp(clip.Stamp{SentNs: time.Now().UnixNano(), Frame: uint32(n)})
		for i, payload := range f.Payloads {
			header.SequenceNumber++
			header.Marker = i == len(f.Payloads)-1
			if err := p.write(p.video, &header, payload); err != nil {
				return err
			}
		}
		p.frames.Add(1)
		return nil
	})
}

func (p *publisher) sendAudio(ctx context.Context) error {
	header := rtp.Header{Version: 2}
	return every(ctx, clip.OpusFrameMs*time.Millisecond, func(n int, _ time.Duration) error {
		header.SequenceNumber++
		header.Timestamp = uint32(n) * clip.AudioClock * clip.OpusFrameMs / 1000
		return p.write(p.audio, &header, p.clip.Opus[n%len(p.clip.Opus)])
	})
}

func (p *publisher) write(track *webrtc.TrackLocalStaticRTP, h *rtp.Header, payload []byte) error {
	if err := track.WriteRTP(&rtp.Packet{Header: *h, Payload: payload}); err != nil {
		return fmt.Errorf("publisher: the packet was not sent: %w", err)
	}
	p.packets.Add(1)
	p.bytes.Add(uint64(12 + len(payload)))
	return nil
}

// every calls fn for n = 0, 1, 2 … at fixed times from now on, and tells it
// how late the call is. It catches up after a delay.
func every(ctx context.Context, period time.Duration, fn func(n int, late time.Duration) error) error {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(n) * period)
		timer.Reset(time.Until(due))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		}
		if err := fn(n, time.Since(due)); err != nil {
			return err
		}
	}
}
