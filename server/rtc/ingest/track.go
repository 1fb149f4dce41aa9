package ingest

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

const (
	nackPoll    = 10 * time.Millisecond // how often a reader looks up while packets are missing
	maxGarbage  = 1000                  // unreadable packets in a row that end a publication
	reportBytes = 1500
)

// track reads one track of a publication.
type track struct {
	// set at construction
	pub     *Publisher
	section offer.Section

	// owned by read
	nacks   nacker
	bits    bucket
	packets bucket
	gaps    closer
	garbage int
	capped  bool
	ask     []uint16 // reused
	polling bool     // the reader has a deadline

	// atomic
	ssrc  atomic.Uint32 // 0 until the first packet came
	input atomic.Pointer[hub.Input]
}

func newTrack(p *Publisher, s offer.Section) *track {
	return &track{
		pub: p, section: s, nacks: nacker{marked: s.SSRCs && s.Codecs[0].RTXFmtp != ""},
		bits: newBucket(maxTrackBits), packets: newBucket(maxTrackPackets),
	}
}

// read hands the track's packets on until the publication ends. It begins to
// read before there is anything to hand on, as pion reads the RTX stream, and
// tells the publisher when its packets came, only once somebody reads the track.
// Browsers probe the path with padding on RTX before their first picture: what
// waits here seems to have come all at once, and they take the path for slow.
func (in *track) read(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	b := make([]byte, maxDatagram)
	for ours := false; ; {
		n, attributes, err := remote.Read(b)
		now := time.Now()
		again := attributes != nil && attributes.Get(webrtc.AttributeRtxSsrc) != nil
		if !ours {
			if err != nil || !again && !in.agreed(b[:n]) || !in.claim(remote) {
				return
			}
			ours = true
			in.pub.begin(func() { in.readReports(receiver) })
		}
		if in.input.Load() == nil && !in.pub.waitOpen() {
			return
		}
		switch {
		case err == nil:
			in.pub.mux.heard(now)
			in.packet(b[:n], now, again)
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe), errors.Is(err, net.ErrClosed):
			return
		case !isTimeout(err): // pion could not make sense of a packet
			in.unreadable()
		}
		if in.pub.closing() {
			return
		}
		in.askMissing(now)
		in.setDeadline(remote, now)
	}
}

// agreed says whether a packet is of the type that was agreed on. What is of
// another, and came first, is not to be taken for the track.
func (in *track) agreed(b []byte) bool {
	p, ok := parseRTP(b)
	return ok && p.codec == in.section.Codecs[0].Payload
}

// claim says whether an SSRC is the track's: the first one is. A second of one kind
// would mix two pictures.
func (in *track) claim(remote *webrtc.TrackRemote) bool {
	if in.ssrc.CompareAndSwap(0, uint32(remote.SSRC())) {
		return true
	}
	in.pub.log.Debug("an extra SSRC is not used", "kind", in.section.Kind.String())
	return false
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// closing tells whether the publication is about to end.
func (p *Publisher) closing() bool {
	select {
	case <-p.quit:
		return true
	default:
		return false
	}
}

// packet takes one RTP packet; again tells that it came as RTX.
func (in *track) packet(b []byte, now time.Time, again bool) {
	in.pub.in.count.received.Inc()
	if !in.packets.take(1, now) || !in.bits.take(float64(8*len(b)), now) {
		in.pub.in.count.capped.Inc()
		if !in.capped {
			in.capped = true
			in.pub.log.Warn("a publisher sends more than a track may have; the rest is dropped",
				"kind", in.section.Kind.String(), "bits", maxTrackBits, "packets", maxTrackPackets)
		}
		return
	}
	p, ok := parseRTP(b)
	if !ok || !again && p.codec != in.section.Codecs[0].Payload { // pion gives what came as RTX the type itself
		in.unreadable()
		return
	}
	in.garbage = 0
	in.nacks.received(p.seq, now, again)
	if len(p.payload) == 0 {
		in.gaps.drop(p.seq)
		return
	}
	in.input.Load().WritePacket(hub.Incoming{
		Seq: in.gaps.number(p.seq), Timestamp: p.stamp, Marker: p.marker, Arrival: now, Payload: p.payload,
	})
}

// unreadable counts garbage; a peer that sends nothing else is closed.
func (in *track) unreadable() {
	in.pub.in.count.garbage.Inc()
	if in.garbage++; in.garbage > maxGarbage {
		in.pub.Close(ErrGarbage)
	}
}

// askMissing asks the publisher for what is missing and due, in one packet.
func (in *track) askMissing(now time.Time) {
	if !in.nacks.waiting() && !in.nacks.gaveUp {
		return
	}
	var lost bool
	in.ask, lost = in.nacks.due(now, in.ask[:0])
	if lost && in.section.Kind == media.Video {
		in.pub.RequestKeyframe(nil, 0)
	}
	if len(in.ask) == 0 || !in.section.Codecs[0].NACK {
		return
	}
	in.pub.in.count.nacks.Add(uint64(len(in.ask)))
	slices.SortFunc(in.ask, func(a, b uint16) int { return int(int16(a - b)) })
	_ = in.pub.pc.WriteRTCP([]rtcp.Packet{&rtcp.TransportLayerNack{
		MediaSSRC: in.ssrc.Load(), Nacks: rtcp.NackPairsFromSequenceNumbers(in.ask),
	}})
}

// setDeadline wakes the reader while packets are missing, to ask again, and
// because pion hands out what was sent again only when it is asked.
func (in *track) setDeadline(remote *webrtc.TrackRemote, now time.Time) {
	switch waiting := in.nacks.waiting(); {
	case waiting:
		in.polling = true
		_ = remote.SetReadDeadline(now.Add(nackPoll))
	case in.polling:
		in.polling = false
		_ = remote.SetReadDeadline(time.Time{})
	}
}

// readReports hands the publisher's sender reports to the hub.
func (in *track) readReports(receiver *webrtc.RTPReceiver) {
	b := make([]byte, reportBytes)
	for garbage := 0; garbage < maxGarbage; {
		n, _, err := receiver.Read(b)
		now := time.Now()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || in.pub.closing() {
			return
		}
		if err != nil {
			garbage++
			continue
		}
		in.pub.mux.heard(now)
		in.reports(b[:n], now)
	}
	in.pub.Close(ErrGarbage)
}

func (in *track) reports(b []byte, now time.Time) {
	packets, err := rtcp.Unmarshal(b)
	input := in.input.Load()
	if err != nil || input == nil {
		return
	}
	for _, p := range packets {
		if sr, ok := p.(*rtcp.SenderReport); ok && sr.SSRC == in.ssrc.Load() {
			input.SenderReport(sr.NTPTime, sr.RTPTime, now)
		}
	}
}
