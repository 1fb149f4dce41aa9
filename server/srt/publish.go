package srt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/srt/ts"
)

// source is a session as the hub's source. SRT has no way to ask an encoder
// for a keyframe.
type source struct{ *session }

// RequestKeyframe does nothing.
func (source) RequestKeyframe(*hub.Track, int) {}

// Close ends the session.
func (s source) Close(reason error) { s.close(reason) }

// publish feeds the stream that the grant names until the caller is gone.
func (s *session) publish(grant auth.Grant) error {
	p, err := s.server.cfg.Hub.Publish(grant, source{s}, hub.Options{Proto: "srt", Peer: s.peer.String()})
	if err != nil {
		return err
	}
	reason := errLost
	defer func() { p.Close(reason) }()
	s.publishes.Store(true) // before anything can be heard
	conn, err := s.accept()
	if err != nil {
		reason = err
		return err
	}
	s.log.Info("srt: publishing", "encrypted", s.request.IsEncrypted())
	in := &intake{session: s, publication: p, timeline: media.NewTimeline()}
	demux := ts.New(in)
	reason = s.read(conn, func(b []byte) error {
		s.server.received.Add(uint64(len(b)))
		_, err := demux.Write(b)
		return err
	})
	s.close(reason)
	s.log.Info("srt: publication ended", "reason", reason)
	if errors.Is(reason, errLeft) {
		reason = hub.ErrEnded
	}
	return nil
}

// intake writes what a transport stream brings to a publication.
type intake struct {
	// set at construction
	session     *session
	publication *hub.Publication
	timeline    *media.Timeline

	// owned by the session's reader
	clock stampClock
	lanes map[uint16]*lane // by PID
	odd   bool             // something unreadable was logged
	since time.Time        // when the program changed
	hasty int              // changes that came too soon after another, in a row
}

// lane is one elementary stream on its way to a track.
type lane struct {
	kind   media.Kind
	reader reader
	codec  media.Codec
	input  *hub.Input // nil until the codec is known
	sets   *media.ParameterSets
	since  time.Time // when the codec changed
}

// Bounds on how often a program may change: each change is logged, and may mean
// other tracks for all who watch.
const (
	programEvery = time.Second
	maxHasty     = 30
)

var errFickle = errors.New("the program changes all the time")

// Program takes the streams that there are now.
func (in *intake) Program(streams []ts.Stream) error {
	now := time.Now()
	if in.hasty++; now.Sub(in.since) > programEvery {
		in.hasty = 0
	}
	if in.since = now; in.hasty > maxHasty {
		return errFickle
	}
	in.lanes = map[uint16]*lane{}
	var left []string
	for _, x := range streams {
		switch {
		case x.Kind == ts.Opus && x.Channels > 2:
			left = append(left, fmt.Sprintf("Opus of %d channels", x.Channels))
		case x.Taken:
			in.lanes[x.PID] = newLane(x)
		default:
			left = append(left, x.Name)
		}
	}
	if len(left) > 0 {
		in.session.log.Warn("srt: the program has streams that are not taken; H264, H265, AAC and Opus are, one video and one audio",
			"left", strings.Join(left, ", "), "taken", len(in.lanes))
	}
	if len(in.lanes) == 0 {
		return errMedia
	}
	return nil
}

func newLane(x ts.Stream) *lane {
	l := &lane{kind: media.Audio}
	switch x.Kind {
	case ts.H264:
		l.kind, l.reader = media.Video, readH264
	case ts.H265:
		l.kind, l.reader = media.Video, readH265
	case ts.AAC:
		l.reader = readAAC
	case ts.Opus:
		l.reader = readOpus
	}
	return l
}

// Unit takes a picture or some audio.
func (in *intake) Unit(u ts.Unit) error {
	l := in.lanes[u.Stream.PID]
	if l == nil {
		return nil
	}
	frames, codec, err := l.reader(u.Data)
	if err != nil {
		in.complain(u.Stream.Name, err)
		return nil
	}
	now := time.Now()
	if err := in.retrack(l, codec, now); err != nil || l.input == nil {
		return err
	}
	at := in.clock.extend(u.DTS) + apart(u.PTS, u.DTS)
	for _, f := range frames {
		if err := in.write(l, f, ticksToTime(at)+f.after, now); err != nil {
			return err
		}
	}
	return nil
}

// recodeEvery bounds how often a source may change the codec of a track.
const recodeEvery = time.Second

// retrack gives the lane its track when the codec is known or has changed.
func (in *intake) retrack(l *lane, codec media.Codec, now time.Time) error {
	if codec.ClockRate == 0 || now.Sub(l.since) < recodeEvery || alike(codec, l.codec) {
		return nil
	}
	input, err := in.publication.AddTrack(l.kind, codec)
	if err != nil {
		return err
	}
	l.input, l.codec, l.since = input, codec, now
	l.sets = media.NewParameterSets(codec)
	return nil
}

// alike tells whether two codecs need no other track: they are the same, or
// differ in the picture parameters only, which go in the stream.
func alike(a, b media.Codec) bool {
	if a == b {
		return true
	}
	x, y := a.ParameterSets(), b.ParameterSets()
	n := len(x) - 1
	return a.Name == b.Name && n > 0 && n == len(y)-1 && slices.EqualFunc(x[:n], y[:n], bytes.Equal)
}

// write hands a frame of the moment at, on the source's clock, to the hub.
func (in *intake) write(l *lane, f frame, at time.Duration, now time.Time) error {
	units := l.sets.Complete(f.units)
	if len(units) == 0 {
		return nil
	}
	placed, moment := in.timeline.Place(int(l.kind), at, now)
	stamp := uint32(timeToTicks(placed, int64(l.codec.ClockRate)))
	l.input.Anchor(stamp, moment)
	err := l.input.WriteFrame(media.Frame{Timestamp: stamp, Units: units, Keyframe: f.keyframe}, now)
	if errors.Is(err, hub.ErrReplaced) {
		return err
	}
	if err != nil {
		in.complain(l.codec.Name, err)
	}
	return nil
}

// complain logs the first thing that cannot be read.
func (in *intake) complain(what string, err error) {
	if !in.odd {
		in.odd = true
		in.session.log.Warn("srt: media that cannot be read is left out; more of it is not logged", "what", what, "err", err)
	}
}
