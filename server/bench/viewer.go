package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"
)

const (
	keyframeTimeout = 15 * time.Second
	reportEvery     = time.Second
)

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
	recv   *receiver

	// owned by Run; the channel joined hands join and failure over
	peer    *peer
	join    joinTimes
	failure error
	joined  chan struct{} // closed when join has ended, well or badly

	// atomic
	up   atomic.Bool // joined and still connected
	lost atomic.Bool // was joined, then the connection broke off
}

func newViewer(d *dialer, to Endpoint, t *atomic.Pointer[tally]) *viewer {
	return &viewer{dialer: d, to: to, recv: newReceiver(t), joined: make(chan struct{})}
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
	if v.peer != nil {
		v.peer.close(context.WithoutCancel(ctx))
	}
}

func (v *viewer) start(ctx context.Context, ip net.IP) error {
	engine, err := newMediaEngine()
	if err != nil {
		return err
	}
	h := hooks{tap: v.recv.packet, decrypted: v.recv.decrypted}
	if v.peer, err = v.dialer.newPeer(ip, h, &interceptor.Registry{}, engine); err != nil {
		return err
	}
	receive := webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly}
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
		if _, err = v.peer.pc.AddTransceiverFromKind(kind, receive); err != nil {
			return fmt.Errorf("no offer: %w", err)
		}
	}
	began, answered, err := v.peer.negotiate(ctx, v.to)
	if err != nil {
		return err
	}
	connected, err := v.peer.connected(ctx)
	if err != nil {
		return err
	}
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
	_ = v.peer.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
}

// watch sends a receiver report every second, as every browser does, until
// ctx ends (nil) or the connection breaks off.
func (v *viewer) watch(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case s := <-v.peer.state:
			if s == webrtc.PeerConnectionStateFailed || s == webrtc.PeerConnectionStateClosed {
				return errDisconnected
			}
		case <-tick.C:
			_ = v.peer.pc.WriteRTCP([]rtcp.Packet{v.recv.report()})
		}
	}
}

// report is a receiver report (RFC 3550 6.4.2) on both streams.
func (r *receiver) report() rtcp.Packet {
	r.mu.Lock()
	defer r.mu.Unlock()
	rr := &rtcp.ReceiverReport{SSRC: 1}
	for _, s := range []*sequence{&r.video, &r.audio} {
		if s.started {
			rr.Reports = append(rr.Reports, rtcp.ReceptionReport{
				SSRC:               s.ssrc,
				TotalLost:          uint32(min(s.counts().Lost, 1<<24-1)),
				LastSequenceNumber: uint32(s.top - 1<<16),
			})
		}
	}
	return rr
}

// cancelled tells whether err only says that the run was ended early.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled)
}
