package ingest

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// keyframeEvery is how often the peer is asked for a keyframe at most.
const keyframeEvery = 500 * time.Millisecond

// Publisher is one publication from a WebRTC peer: a hub.Source.
type Publisher struct {
	// set at construction
	in     *Ingest
	log    *slog.Logger
	mux    *iceMux
	pc     *webrtc.PeerConnection
	tracks []*track
	agreed agreed
	pub    *hub.Publication // nil until Start
	away   bool             // owned by run: the viewers know that it is silent

	quit      chan struct{} // closed by Close
	done      chan struct{} // closed when all has ended
	keyframes chan struct{} // a keyframe is wanted
	connected chan struct{} // closed when the peer is here
	opened    chan struct{} // closed when the stream has the tracks
	state     publisherState
}

// publisherState is what several goroutines change.
type publisherState struct {
	// guarded by mu
	mu      sync.Mutex
	reason  error
	ended   bool
	after   []func()       // to be run when ended
	readers sync.WaitGroup // no Add after reason is set

	// guarded by itself
	come sync.Once // of connected
}

// Discard frees a publisher that was never started.
func (p *Publisher) Discard() {
	p.Close(ErrLost)
	_ = p.pc.Close()
	_ = p.mux.Close()
	p.state.readers.Wait()
}

func (p *Publisher) listen() {
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			p.mux.agent.Settle()
			p.state.come.Do(func() { close(p.connected) })
		case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
			p.Close(ErrLost)
		case webrtc.PeerConnectionStateClosed:
			p.Close(ErrHungUp)
		}
	})
	p.pc.OnTrack(p.take)
}

// answer applies the offer and returns the whole answer.
func (p *Publisher) answer(ctx context.Context, o *offer.Offer) (string, error) {
	text, err := o.Text()
	if err != nil {
		return "", err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: text}); err != nil {
		return "", offer.Malformed("The offer cannot be used: %v.", err)
	}
	answer, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return "", offer.Malformed("The offer cannot be answered: %v.", err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", offer.Malformed("The offer cannot be answered: %v.", err)
	}
	select {
	case <-gathered: // now checks are answered
	case <-ctx.Done():
		return "", ctx.Err()
	}
	whole, err := finishAnswer(p.pc.LocalDescription().SDP, o, p.mux.port.Candidates())
	p.agreed = newAgreed(o, whole)
	return whole, err
}

// Start begins to feed a publication of the hub whose source this is.
func (p *Publisher) Start(pub *hub.Publication) {
	p.pub = pub
	go p.run()
}

// Publication returns what Start was given.
func (p *Publisher) Publication() *hub.Publication { return p.pub }

// RequestKeyframe implements hub.Source. A WebRTC publication has one video
// without layers, so it is clear which is meant.
func (p *Publisher) RequestKeyframe(*hub.Track, int) {
	select {
	case p.keyframes <- struct{}{}:
	default:
	}
}

// Close implements hub.Source: it marks, run cleans up.
func (p *Publisher) Close(reason error) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	if p.state.reason == nil {
		p.state.reason = reason
		close(p.quit)
	}
}

// Done is closed when everything of the publisher has ended.
func (p *Publisher) Done() <-chan struct{} { return p.done }

// AfterEnd has f run once, on a goroutine of its own, when everything of the
// publisher has ended; at once if it has.
func (p *Publisher) AfterEnd(f func()) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	if p.state.ended {
		go f()
		return
	}
	p.state.after = append(p.state.after, f)
}

// Reason returns why the publisher was closed, nil while it runs.
func (p *Publisher) Reason() error {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	return p.state.reason
}

// begin starts a goroutine that touches the peer's bytes, unless the publisher
// is closed. A panic in it closes this publication and no other.
func (p *Publisher) begin(f func()) {
	p.state.mu.Lock()
	defer p.state.mu.Unlock()
	if p.state.reason != nil {
		return
	}
	p.state.readers.Add(1)
	go func() {
		defer p.state.readers.Done()
		defer p.recovered()
		f()
	}()
}

func (p *Publisher) recovered() {
	if r := recover(); r != nil {
		p.in.count.panics.Inc()
		p.log.Error("a fault closed a publication", "panic", r)
		p.Close(ErrFault)
	}
}

// run lives as long as the publication and closes Done at its end.
func (p *Publisher) run() {
	p.supervise()
	p.pub.Close(p.Reason())
	_ = p.pc.Close()
	_ = p.mux.Close()
	p.state.readers.Wait()
	p.end()
}

// end tells everybody that the publisher has ended.
func (p *Publisher) end() {
	p.state.mu.Lock()
	after := p.state.after
	p.state.ended, p.state.after = true, nil
	p.state.mu.Unlock()
	close(p.done)
	for _, f := range after {
		go f()
	}
}

// supervise waits for the end, and does what has its time.
func (p *Publisher) supervise() {
	defer p.recovered()
	late := time.NewTimer(p.in.waits.arrival)
	defer late.Stop()
	look := time.NewTicker(p.in.waits.silence / 5)
	defer look.Stop()
	var asked time.Time
	var again <-chan time.Time // a keyframe request that had to wait
	connected := p.connected
	for {
		select {
		case <-p.quit:
			return
		case <-connected:
			connected = nil
			late.Stop()
			p.openTracks()
		case <-late.C:
			p.Close(ErrUnconnected)
		case now := <-look.C:
			if connected == nil {
				p.lookAfter(now)
			}
		case <-p.mux.moved:
			// What was lost on the way to the old address is lost, and what was asked of the publisher there as well.
			p.RequestKeyframe(nil, 0)
		case <-p.keyframes:
			if wait := keyframeEvery - time.Since(asked); wait > 0 {
				if again == nil {
					again = time.After(wait)
				}
				continue
			}
			again, asked = nil, time.Now()
			p.askKeyframe()
		case <-again:
			again, asked = nil, time.Now()
			p.askKeyframe()
		}
	}
}

// lookAfter does what is due when nothing has come from the publisher for a
// while: it may come back, by another way perhaps.
func (p *Publisher) lookAfter(now time.Time) {
	w, silence := p.in.waits, p.mux.silence(now)
	if away := silence > w.silence; away != p.away {
		p.away = away
		p.pub.SetAway(away)
		if !away {
			p.RequestKeyframe(nil, 0)
		}
	}
	switch {
	case silence > w.patience:
		p.Close(ErrLost)
	case silence > w.consent:
		p.mux.agent.Lapse()
	}
}

// Connected tells whether the publisher's DTLS handshake has succeeded.
func (p *Publisher) Connected() bool {
	select {
	case <-p.connected:
		return true
	default:
		return false
	}
}

// openTracks gives the stream its tracks: when the peer is connected, so that
// viewers are answered with all of them however late one begins to send.
func (p *Publisher) openTracks() {
	for _, in := range p.tracks {
		input, err := p.pub.AddTrack(in.section.Kind, in.section.Codecs[0].Codec)
		if err != nil {
			p.Close(err)
			return
		}
		in.input.Store(input)
	}
	close(p.opened)
}

func (p *Publisher) askKeyframe() {
	for _, in := range p.tracks {
		if ssrc := in.ssrc.Load(); ssrc != 0 && in.section.Kind == media.Video {
			_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
		}
	}
}

// take takes a track. Pion tells of it before it has a packet, and maybe before
// it tells of the connection.
func (p *Publisher) take(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	for _, in := range p.tracks {
		if pionKind(in.section.Kind) == remote.Kind() {
			p.begin(func() { in.read(remote, receiver) })
		}
	}
}

// waitOpen waits until the stream has its tracks. It returns false when the
// publication ends before that.
func (p *Publisher) waitOpen() bool {
	select {
	case <-p.opened:
		return true
	case <-p.quit:
		return false
	}
}
