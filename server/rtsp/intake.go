package rtsp

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
)

// intake puts what an RTSP source sends into the hub.
type intake struct {
	// set at construction
	log     *slog.Logger
	faults  *metric.Counter
	publish func() (*hub.Publication, error)
	tracks  []*receiver
	named   []Offer // tracks that are only named, so that somebody can say what is wrong
	failed  chan struct{}

	once sync.Once
	err  error // why publishing failed; read after failed is closed

	// atomic
	publication atomic.Pointer[hub.Publication]
	heard       atomic.Int64 // when the last packet came, ns since 1970
	complained  atomic.Bool
}

// newIntake returns an intake for offers. publish is called with the first
// packet, or by open.
func newIntake(log *slog.Logger, faults *metric.Counter, offers []Offer, publish func() (*hub.Publication, error)) *intake {
	in := &intake{log: log, faults: faults, publish: publish, failed: make(chan struct{})}
	list, _ := carried(offers)
	for _, o := range list {
		in.tracks = append(in.tracks, newReceiver(in, o))
	}
	for _, o := range offers {
		if !o.Carried && o.Codec.Name == media.MJPEG {
			in.named = append(in.named, o)
		}
	}
	return in
}

// open publishes, once, and returns why it could not.
func (in *intake) open() error {
	in.once.Do(func() {
		if in.err = in.begin(); in.err != nil {
			close(in.failed)
		}
	})
	return in.err
}

func (in *intake) begin() error {
	pub, err := in.publish()
	if err != nil {
		return err
	}
	in.publication.Store(pub)
	for _, r := range in.tracks {
		if err := r.bind(pub); err != nil {
			pub.Close(err)
			return err
		}
	}
	for _, o := range in.named {
		if !in.has(o.Kind) {
			if _, err := pub.AddTrack(o.Kind, o.Codec); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in *intake) has(k media.Kind) bool {
	for _, r := range in.tracks {
		if r.offer.Kind == k {
			return true
		}
	}
	return false
}

// close ends the publication, if there is one.
func (in *intake) close(reason error) {
	if pub := in.publication.Load(); pub != nil && pub.Reason() == nil {
		pub.Close(reason)
	}
}

// complain logs what is wrong with the packets, once.
func (in *intake) complain(err error) {
	if in.complained.CompareAndSwap(false, true) {
		in.log.Warn("rtsp: packets are left out", "reason", err)
	}
}

// recovered ends a source whose packets brought out a fault of ours.
func (in *intake) recovered() {
	if v := recover(); v != nil {
		in.faults.Inc()
		in.log.Error("rtsp: a fault of the server", "panic", v)
		in.close(fmt.Errorf("fault: %v", v))
	}
}

// receiver takes the packets of one track.
type receiver struct {
	// set at construction
	intake *intake
	offer  Offer

	// owned by the goroutine that reads the track's RTP
	sets   *media.ParameterSets
	split  *media.Splitter
	shift  uint16              // how many packets more than the source's were written
	frames *media.Depacketizer // when packets do not fit; nil for packets
	next   uint64              // of frames: the number of the next packet
	latm   *latm               // when the packets are of LATM; nil for others

	// atomic
	input atomic.Pointer[hub.Input] // nil before the first packet
	ssrc  atomic.Uint32
}

func newReceiver(in *intake, o Offer) *receiver {
	r := &receiver{intake: in, offer: o, split: media.NewSplitter(o.Codec.Name, media.MaxPayload)}
	if o.Codec.Name == media.H264 || o.Codec.Name == media.H265 {
		r.sets = media.NewParameterSets(o.Codec)
	}
	switch f := o.format.(type) {
	case *format.MPEG4Audio:
		if !hbr(f) {
			c := o.Codec
			c.Fmtp = fmt.Sprintf("sizelength=%d;indexlength=%d;indexdeltalength=%d", f.SizeLength, f.IndexLength, f.IndexDeltaLength)
			r.frames, _ = media.NewDepacketizer(c) // nil: the packets go on as they are
		}
	case *format.MPEG4AudioLATM:
		r.latm = newLATM(f)
	}
	return r
}

// bind makes the track in the hub.
func (r *receiver) bind(pub *hub.Publication) error {
	input, err := pub.AddTrack(r.offer.Kind, r.offer.Codec)
	if err != nil {
		return err
	}
	r.input.Store(input)
	return nil
}

// rtp takes a packet. It never blocks: packets of all publishers by UDP come
// from one goroutine.
func (r *receiver) rtp(p *rtp.Packet) {
	defer r.intake.recovered()
	now := time.Now()
	r.intake.heard.Store(now.UnixNano())
	input := r.input.Load()
	if input == nil {
		if r.intake.open() != nil {
			return
		}
		input = r.input.Load()
	}
	if ssrc := r.ssrc.Load(); ssrc != p.SSRC {
		r.ssrc.Store(p.SSRC)
	}
	switch {
	case r.latm != nil:
		r.units(input, p, now)
	case r.frames != nil:
		r.frame(input, p, now)
	default:
		r.packet(input, p, now)
	}
}

// packet writes a packet as it is, after the parameter sets that a keyframe
// lacks.
func (r *receiver) packet(input *hub.Input, p *rtp.Packet, now time.Time) {
	if r.sets != nil {
		if insert := r.sets.Packet(p.Timestamp, p.Payload); insert != nil {
			input.WritePacket(hub.Incoming{Seq: p.SequenceNumber + r.shift, Timestamp: p.Timestamp, Arrival: now, Payload: insert})
			r.shift++
		}
	}
	if len(p.Payload) > media.MaxPayload {
		r.large(input, p, now)
		return
	}
	input.WritePacket(hub.Incoming{
		Seq: p.SequenceNumber + r.shift, Timestamp: p.Timestamp, Marker: p.Marker, Arrival: now, Payload: p.Payload,
	})
}

// large writes a packet that does not fit into what goes to browsers: as
// several, or from now on as frames.
func (r *receiver) large(input *hub.Input, p *rtp.Packet, now time.Time) {
	parts, ok := r.split.Split(p.Payload, p.Marker)
	if !ok {
		r.reframe(p, now)
		return
	}
	for i, part := range parts {
		input.WritePacket(hub.Incoming{
			Seq: p.SequenceNumber + r.shift + uint16(i), Timestamp: p.Timestamp, Marker: part.Marker, Arrival: now, Payload: part.Bytes,
		})
	}
	r.shift += uint16(len(parts) - 1)
}

// reframe begins to write frames. It needs an input of its own, because one
// input writes either packets or frames.
func (r *receiver) reframe(p *rtp.Packet, now time.Time) {
	frames, err := media.NewDepacketizer(r.offer.Codec)
	if err != nil {
		r.intake.complain(fmt.Errorf("a packet of %s with %d bytes: %w", r.offer.Name, len(p.Payload), err))
		return
	}
	if err := r.bind(r.intake.publication.Load()); err != nil {
		return // the publication has ended, and this source with it
	}
	r.frames = frames
	r.frame(r.input.Load(), p, now)
}

// frame gathers a frame.
func (r *receiver) frame(input *hub.Input, p *rtp.Packet, now time.Time) {
	step := int16(p.SequenceNumber - uint16(r.next))
	r.next = uint64(int64(r.next) + int64(step))
	_, keyframe := media.Inspect(r.offer.Codec.Name, p.Payload)
	f, ok := r.frames.Push(&media.Packet{
		Seq: r.next, Timestamp: p.Timestamp, Arrival: now.UnixNano(), Payload: p.Payload, Marker: p.Marker, Keyframe: keyframe,
	})
	r.next++
	if !ok {
		return
	}
	if err := input.WriteFrame(*f, now); err != nil {
		r.intake.complain(fmt.Errorf("a frame of %s: %w", r.offer.Name, err))
	}
}

// units writes what a packet of LATM completes.
func (r *receiver) units(input *hub.Input, p *rtp.Packet, now time.Time) {
	units, err := r.latm.push(p)
	if err == nil && len(units) > 0 {
		err = input.WriteFrame(media.Frame{Timestamp: p.Timestamp, Units: units}, now)
	}
	if err != nil {
		r.intake.complain(fmt.Errorf("a packet of %s: %w", r.offer.Name, err))
	}
}

// rtcp takes a report of the source about its clock.
func (r *receiver) rtcp(p rtcp.Packet) {
	defer r.intake.recovered()
	report, ok := p.(*rtcp.SenderReport)
	if !ok || report.NTPTime == 0 || report.SSRC != r.ssrc.Load() {
		return
	}
	if input := r.input.Load(); input != nil {
		input.SenderReport(report.NTPTime, report.RTPTime, time.Now())
	}
}
