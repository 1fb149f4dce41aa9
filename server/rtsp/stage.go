package rtsp

import (
	"context"
	"sync"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/pion/rtp"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// keyframeTime is how long a description waits for a keyframe that has the
// parameter sets in it; without them some players do not start.
const keyframeTime = 3 * time.Second

// Payload types of what is sent, beside those that RFC 3551 fixes.
const (
	videoType = 96
	audioType = 97
)

// stages are the streams that are played, each once for all its players.
type stages struct {
	mu   sync.Mutex
	list map[*hub.Stream]*stage
}

// stage is one stream as it is sent to its players. It begins with the first
// and ends after the last.
type stage struct {
	// set at construction
	stream *hub.Stream
	choice hub.Choice
	out    *gortsplib.ServerStream

	// guarded by stages.mu
	players int
	detach  []func()
}

// stale tells whether the stream has other tracks or codecs now.
func (st *stage) stale() bool { return !st.stream.ChooseAll(playable).Same(st.choice) }

// stage returns the stage of a stream for one more player.
func (s *Server) stage(ctx context.Context, stream *hub.Stream) (*stage, error) {
	if st := s.stages.take(stream); st != nil {
		return st, nil
	}
	choice := stream.ChooseAll(playable)
	desc, err := describe(ctx, choice)
	if err != nil {
		return nil, err
	}
	st := &stage{stream: stream, choice: choice, out: &gortsplib.ServerStream{Server: s.lib, Desc: desc}}
	if err := st.out.Initialize(); err != nil {
		return nil, err
	}
	return s.stages.enter(st), nil
}

// take returns the stage that there is, nil for none.
func (l *stages) take(stream *hub.Stream) *stage {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := l.list[stream]
	if st == nil || st.stale() {
		return nil
	}
	st.players++
	return st
}

// enter begins a new stage, unless another came before it.
func (l *stages) enter(st *stage) *stage {
	l.mu.Lock()
	defer l.mu.Unlock()
	if other := l.list[st.stream]; other != nil && !other.stale() {
		other.players++
		return other
	}
	l.list[st.stream] = st
	st.players = 1
	for i, t := range st.choice.Tracks {
		m := st.out.Desc.Medias[i]
		st.detach = append(st.detach, t.Attach(&feeder{track: t, codec: st.choice.Codecs[i], media: m, payloadType: m.Formats[0].PayloadType(), out: st.out}))
	}
	return st
}

// leave ends a stage after its last player.
func (l *stages) leave(st *stage) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if st.players--; st.players > 0 {
		return
	}
	if l.list[st.stream] == st {
		delete(l.list, st.stream)
	}
	for _, detach := range st.detach {
		detach()
	}
	st.out.Close()
}

// writer takes packets for one connection or several.
type writer interface {
	WritePacketRTPWithNTP(m *description.Media, p *rtp.Packet, ntp time.Time) error
}

// feeder sends the packets of a track.
type feeder struct {
	// set at construction
	track       *hub.Track
	codec       media.Codec // that was described
	media       *description.Media
	payloadType uint8
	out         writer
	sent        func(bytes int, err error) // nil for nobody

	// owned by the track's writer
	begun bool // a keyframe has come
}

var _ hub.PacketSink = (*feeder)(nil)

// WritePacket sends a packet with its moment on the server's clock, of which the
// sender reports are made that keep sound and picture in step. What is of
// another codec than was described is left out, and what comes before a keyframe.
func (f *feeder) WritePacket(p *media.Packet) {
	if f.track.Codec() != f.codec || !f.begins(p) {
		return
	}
	at, known := f.track.TimeOf(p.Timestamp)
	if !known {
		at = time.Unix(0, p.Arrival)
	}
	err := f.out.WritePacketRTPWithNTP(f.media, &rtp.Packet{
		Header: rtp.Header{
			Version: 2, PayloadType: f.payloadType, SequenceNumber: uint16(p.Seq), Timestamp: p.Timestamp, Marker: p.Marker,
		},
		Payload: p.Payload,
	}, at)
	if f.sent != nil {
		f.sent(len(p.Payload), err)
	}
}

// begins tells whether a packet comes after the beginning of a keyframe: some
// players never get over a first packet from the middle of one.
func (f *feeder) begins(p *media.Packet) bool {
	if !f.begun {
		start, keyframe := media.Inspect(f.codec.Name, p.Payload)
		f.begun = f.track.Kind() == media.Audio || start && keyframe
	}
	return f.begun
}

// Close does nothing: who subscribed is told by the subscription.
func (f *feeder) Close(error) {}

// describe returns the description of tracks, with the parameter sets
// where they are known or come in time. It returns a mediaError without tracks.
func describe(ctx context.Context, choice hub.Choice) (*description.Session, error) {
	if len(choice.Tracks) == 0 {
		return nil, &mediaError{[]string{"no audio or video"}}
	}
	d := &description.Session{}
	for i, t := range choice.Tracks {
		m := &description.Media{Type: description.MediaTypeVideo}
		payloadType := uint8(videoType)
		if t.Kind() == media.Audio {
			m.Type, payloadType = description.MediaTypeAudio, audioType
		}
		m.Formats = []format.Format{formatOf(choice.Codecs[i], payloadType, parameterSets(ctx, t, choice.Codecs[i]))}
		d.Medias = append(d.Medias, m)
	}
	return d, nil
}

// parameterSets returns the parameter sets of a track, from its codec or from
// the next keyframe; nil when it needs none or none came.
func parameterSets(ctx context.Context, t *hub.Track, c media.Codec) [][]byte {
	if c.Name != media.H264 && c.Name != media.H265 {
		return nil
	}
	if sets := setsOf(c.Name, c.ParameterSets()); sets != nil {
		return sets
	}
	f := &finder{codec: c.Name, found: make(chan [][]byte, 1)}
	detach, err := t.AttachFrames(f)
	if err != nil {
		return nil
	}
	defer detach()
	select {
	case sets := <-f.found: // in a frame that is held
		return sets
	default:
		t.RequestKeyframe(0)
	}
	timeout := time.NewTimer(keyframeTime)
	defer timeout.Stop()
	select {
	case sets := <-f.found:
		return sets
	case <-timeout.C:
	case <-ctx.Done():
	}
	return nil
}

// finder looks for parameter sets in frames.
type finder struct {
	codec string
	found chan [][]byte
}

var _ hub.FrameSink = (*finder)(nil)

// WriteFrame looks into a frame.
func (f *finder) WriteFrame(frame *media.Frame) {
	if sets := setsOf(f.codec, frame.Units); sets != nil {
		select {
		case f.found <- sets:
		default:
		}
	}
}

// Close does nothing: waiting has a bound.
func (f *finder) Close(error) {}
