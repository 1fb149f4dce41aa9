package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
	"github.com/heliograph/heliograph/server/bench/feedback"
)

const keyframeTimeout = 15 * time.Second

// joinTimes are the steps of a join, each counted from the start of the POST.
type joinTimes struct {
	answer      time.Duration // until 201
	connected   time.Duration // until ICE and DTLS are done
	firstPacket time.Duration // until the first packet of media
	decodable   time.Duration // until the first whole keyframe
}

// viewer is one WHEP session.
type viewer struct {
	// set at construction
	dialer *dialer
	to     Endpoint
	way    client.Way // by which TURN is spoken to; "" for a viewer that comes directly
	source netip.Addr // to come from if the TURN server is on the loopback
	rounds *rounds
	recv   *receiver
	gone   chan struct{} // one value when the server answers no checks any more

	// owned by Run; the channel joined hands all but resource over
	client   *client.Client
	resource resource
	join     joinTimes
	failure  error
	joined   chan struct{} // closed when join has ended, well or badly

	// owned by the rounds
	next due

	// atomic
	up   atomic.Bool // joined and still connected
	lost atomic.Bool // was joined, then the connection broke off
}

// due are the moments of what a viewer sends next.
type due struct {
	report, feedback, consent time.Time
}

func newViewer(d *dialer, to Endpoint, r *rounds, t *atomic.Pointer[tally]) *viewer {
	return &viewer{
		dialer: d, to: to, rounds: r, recv: newReceiver(t),
		gone: make(chan struct{}, 1), joined: make(chan struct{}),
	}
}

// Run joins and then watches until ctx ends or the connection is lost. It
// closes the session before it returns. What happened is in the fields.
func (v *viewer) Run(ctx context.Context, ip net.IP) {
	v.failure = v.start(ctx, ip)
	v.up.Store(v.failure == nil)
	close(v.joined)
	if v.failure == nil {
		v.lost.Store(v.watch(ctx) != nil)
		v.up.Store(false)
	}
	v.resource.remove(context.WithoutCancel(ctx), v.dialer.http)
	if v.client != nil {
		v.client.Close()
	}
}

func (v *viewer) start(ctx context.Context, ip net.IP) error {
	open := client.New
	if v.way != "" {
		open = client.NewRelayed
	}
	var err error
	if v.client, err = open(v.dialer.identity, ip, v); err != nil {
		return err
	}
	began := time.Now()
	answer, res, err := offer(ctx, v.dialer.http, v.to, v.client.Offer())
	v.resource = res
	if err != nil {
		return err
	}
	answered := time.Now()
	if err := v.client.Accept(answer); err != nil {
		return err
	}
	v.recv.transportID = v.client.TransportCC()
	if err := v.chooseRelay(); err != nil {
		return err
	}
	if err := v.client.Connect(ctx); err != nil {
		return err
	}
	connected := time.Now()
	if err := v.waitKeyframe(ctx); err != nil {
		return err
	}
	v.recv.mu.Lock()
	defer v.recv.mu.Unlock()
	v.join = joinTimes{
		answer:      answered.Sub(began),
		connected:   connected.Sub(began),
		firstPacket: time.Duration(v.recv.join.first - began.UnixNano()),
		decodable:   time.Duration(v.recv.join.decodable - began.UnixNano()),
	}
	return nil
}

// chooseRelay tells the client of the TURN server that the answer named.
func (v *viewer) chooseRelay() error {
	if v.way == "" {
		return nil
	}
	r, err := client.RelayOf(v.resource.relays, v.way)
	if err != nil {
		return err
	}
	r.Loopback = v.source
	v.client.Through(r)
	return nil
}

// waitKeyframe asks for a keyframe as a browser does: when a frame came that
// needs an earlier one, and again while none comes.
func (v *viewer) waitKeyframe(ctx context.Context) error {
	timeout := time.NewTimer(keyframeTimeout)
	defer timeout.Stop()
	again := time.NewTicker(requestAgain)
	defer again.Stop()
	asked := false
	for {
		select {
		case <-v.recv.ready:
			return nil
		case <-v.recv.wantKey:
			if !asked {
				v.requestKeyframe()
			}
			asked = true
		case <-again.C:
			asked = false
		case <-timeout.C:
			return fmt.Errorf("connected, but no whole keyframe came within %s", keyframeTimeout)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (v *viewer) requestKeyframe() {
	v.recv.mu.Lock()
	ssrc := v.recv.video.ssrc
	v.recv.mu.Unlock()
	_ = v.client.SendRTCP(feedback.AppendKeyframeRequest(nil, ssrc))
}

// watch lets the rounds serve the viewer until ctx ends (nil) or the
// connection breaks off.
func (v *viewer) watch(ctx context.Context) error {
	v.client.Detach() // where it cannot be, the client goes on reading by itself
	v.rounds.add(v)
	select {
	case <-ctx.Done():
		return nil
	case <-v.client.Ended():
	case <-v.gone:
	}
	return errDisconnected
}

// Packet takes what comes (client.Handler).
func (v *viewer) Packet(b []byte, arrived int64) {
	if client.IsRTCP(b) {
		if plain, err := v.client.OpenRTCP(b[:0], b); err == nil {
			v.recv.noteSenderReport(plain, arrived)
		}
		return
	}
	if !v.recv.packet(b, arrived) {
		return
	}
	if plain, err := v.client.OpenRTP(b[:0], b); err == nil {
		v.recv.decrypted(plain)
	}
}

// tell sends what a browser sends back while it watches, each when it is due.
// It returns scratch.
func (v *viewer) tell(now time.Time, scratch []byte) []byte {
	if !v.up.Load() {
		return scratch
	}
	if passed(&v.next.consent, now, consentEvery) && !v.client.Check(now) {
		select {
		case v.gone <- struct{}{}:
		default:
		}
	}
	if passed(&v.next.report, now, reportEvery) {
		scratch = v.recv.appendReport(scratch[:0], now.UnixNano())
		_ = v.client.SendRTCP(scratch)
	}
	if v.recv.transportID != 0 && passed(&v.next.feedback, now, feedbackEvery) {
		if scratch = v.recv.appendFeedback(scratch[:0], v.client.ReducedSize()); len(scratch) > 0 {
			_ = v.client.SendRTCP(scratch)
		}
	}
	return scratch
}

// passed tells whether a moment has come, and sets the next one.
func passed(at *time.Time, now time.Time, every time.Duration) bool {
	if now.Before(*at) {
		return false
	}
	if *at = at.Add(every); now.After(*at) { // the first one, or much too late
		*at = now.Add(every)
	}
	return true
}

// cancelled tells whether err only says that the run was ended early.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled)
}
