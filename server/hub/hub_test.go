package hub

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

var vp8 = media.Codec{Name: media.VP8, ClockRate: 90_000}

type fakeSource struct {
	mu        sync.Mutex
	keyframes int
	closed    []error
}

func (s *fakeSource) RequestKeyframe(*Track, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyframes++
}

func (s *fakeSource) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keyframes
}

func (s *fakeSource) Close(reason error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, reason)
}

type fakeSink struct {
	packets []media.Packet
	closed  error
}

func (s *fakeSink) WritePacket(p *media.Packet) { s.packets = append(s.packets, *p) }
func (s *fakeSink) Close(reason error)          { s.closed = reason }

type fakeObserver struct {
	mu   sync.Mutex
	seen []EventKind
}

func (o *fakeObserver) StreamEvent(e Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, e.Kind)
}

func publish(t *testing.T, h *Hub, src Source, o Options) *Publication {
	t.Helper()
	p, err := h.Publish(auth.System(auth.Publish, "harbour"), src, o)
	require.NoError(t, err)
	return p
}

func watch(t *testing.T, h *Hub) *Subscription {
	t.Helper()
	sub, err := h.Watch(t.Context(), auth.System(auth.Watch, "harbour"))
	require.NoError(t, err)
	return sub
}

// vp8Packet is a VP8 payload that begins a keyframe or an inter frame.
func vp8Packet(key bool) []byte {
	if key {
		return []byte{0x10, 0x00, 1, 2}
	}
	return []byte{0x10, 0x01, 1, 2}
}

func TestGrantIsDemanded(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	_, err := h.Publish(auth.Grant{}, &fakeSource{}, Options{})
	require.ErrorIs(t, err, ErrDenied, "the zero grant")
	_, err = h.Publish(auth.System(auth.Watch, "harbour"), &fakeSource{}, Options{})
	require.ErrorIs(t, err, ErrDenied, "a grant to watch does not publish")
	publish(t, h, &fakeSource{}, Options{})
	_, err = h.Watch(t.Context(), auth.System(auth.Publish, "harbour"))
	require.ErrorIs(t, err, ErrDenied)
	_, err = h.Watch(t.Context(), auth.System(auth.Watch, "nobody"))
	require.ErrorIs(t, err, ErrNotLive)
}

func TestStreamOutlivesPublication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		o := &fakeObserver{}
		h.Observe(o)
		p := publish(t, h, &fakeSource{}, Options{Title: "Dawn", Proto: "ws"})
		in, err := p.AddTrack(media.Video, vp8)
		require.NoError(t, err)
		sink := &fakeSink{}
		in.Track().Attach(sink)
		sub := watch(t, h)
		for i := range 3 {
			in.WritePacket(Incoming{Seq: uint16(65_534 + i), Timestamp: uint32(1000 + i*3000), Arrival: time.Now(), Payload: vp8Packet(i == 0)})
		}
		p.Close(errors.New("lost"))
		require.Equal(t, Away, h.Info("harbour").State)
		time.Sleep(9 * time.Second)
		require.NoError(t, sub.Reason(), "the viewer is kept")

		q := publish(t, h, &fakeSource{}, Options{Proto: "ws"})
		in2, err := q.AddTrack(media.Video, vp8)
		require.NoError(t, err)
		require.Same(t, in.Track(), in2.Track())
		in.WritePacket(Incoming{Seq: 9, Arrival: time.Now(), Payload: vp8Packet(true)})
		in2.WritePacket(Incoming{Seq: 77, Timestamp: 5, Arrival: time.Now(), Payload: vp8Packet(true)})

		require.Len(t, sink.packets, 4, "the old input writes nothing any more")
		last, next := sink.packets[2], sink.packets[3]
		require.Equal(t, last.Seq+1, next.Seq)
		require.Equal(t, last.Timestamp+9*90_000, next.Timestamp, "nine seconds passed")

		q.Close(errors.New("lost"))
		time.Sleep(11 * time.Second)
		synctest.Wait()
		require.ErrorIs(t, sub.Reason(), ErrEnded)
		require.ErrorIs(t, sub.Reason(), ErrAbandoned, "the publisher did not end it")
		require.ErrorIs(t, sink.closed, ErrEnded)
		require.Equal(t, Offline, h.Info("harbour").State)
		require.Empty(t, h.List())
		require.Equal(t, []EventKind{StreamLive, StreamTracks, StreamCount, StreamAway, StreamLive, StreamTracks, StreamAway, StreamEnded}, order(o))
	})
}

// order returns the events without the StreamCount ones' exact place: the one
// of this test comes a second after the subscription.
func order(o *fakeObserver) []EventKind {
	o.mu.Lock()
	defer o.mu.Unlock()
	var kinds []EventKind
	for _, k := range o.seen {
		if k != StreamCount {
			kinds = append(kinds, k)
		}
		if k == StreamTracks && len(kinds) == 2 {
			kinds = append(kinds, StreamCount)
		}
	}
	return kinds
}

func TestEndedByPublisherEndsAtOnce(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	src := &fakeSource{}
	p := publish(t, h, src, Options{})
	sub := watch(t, h)
	p.Close(ErrEnded)
	require.ErrorIs(t, sub.Reason(), ErrEnded)
	require.Equal(t, []error{ErrEnded}, src.closed)
	p.Close(errors.New("again"))
	require.Equal(t, []error{ErrEnded}, src.closed, "a second close changes nothing")
	publish(t, h, &fakeSource{}, Options{})
	require.Equal(t, Live, h.Info("harbour").State, "the name is free again")
}

func TestLostPublicationKeepsItsName(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	lost := errors.New("lost")
	p := publish(t, h, &fakeSource{}, Options{Peer: "192.0.2.1:1000"})
	p.grant = auth.Grant{}
	p.Close(lost)
	_, err := h.open("harbour")
	require.NoError(t, err)
	anybody := auth.Grant{}
	require.False(t, p.yieldsTo(anybody, Options{Peer: "192.0.2.2:1000"}), "somebody else")
	require.True(t, p.yieldsTo(anybody, Options{Peer: "192.0.2.1:2000"}), "the same encoder, connecting again")
	_, err = h.Publish(auth.System(auth.Publish, "harbour"), &fakeSource{}, Options{Peer: "192.0.2.1:2000"})
	require.ErrorIs(t, err, ErrBusy, "a subject is not nobody")
	_, err = h.Publish(auth.System(auth.Publish, "harbour"), &fakeSource{}, Options{Resume: p.Resume()})
	require.NoError(t, err)
}

// A publication that goes on in silence is away for its viewers, yields as a
// lost one does, and has no grace time left when it is lost after all.
func TestSilentPublication(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		o := &fakeObserver{}
		h.Observe(o)
		src := &fakeSource{}
		p := publish(t, h, src, Options{Peer: "192.0.2.1:1000"})
		for range 2 {
			p.SetAway(true)
		}
		require.Equal(t, Away, h.Info("harbour").State)
		require.NotZero(t, h.Info("harbour").AwaySince)
		p.grant = auth.Grant{}
		require.True(t, p.yieldsTo(auth.Grant{}, Options{Peer: "192.0.2.1:2000"}), "the same encoder, connecting again")
		time.Sleep(time.Minute)
		require.Equal(t, Away, h.Info("harbour").State, "for as long as its source says")
		p.SetAway(false)
		require.Equal(t, Live, h.Info("harbour").State)
		require.Zero(t, h.Info("harbour").AwaySince)
		require.False(t, p.yieldsTo(auth.Grant{}, Options{Peer: "192.0.2.1:2000"}))

		p.SetAway(true)
		time.Sleep(time.Minute)
		p.Close(errors.New("lost"))
		synctest.Wait()
		require.Equal(t, Offline, h.Info("harbour").State)
		p.SetAway(false)
		require.Equal(t, Offline, h.Info("harbour").State, "it is too late")
		require.Equal(t, []EventKind{StreamLive, StreamAway, StreamLive, StreamAway, StreamAway, StreamEnded}, o.seen)

		older := publish(t, h, &fakeSource{}, Options{})
		publish(t, h, &fakeSource{}, Options{})
		older.SetAway(true)
		require.Equal(t, Live, h.Info("harbour").State, "another has followed")
	})
}

func TestLostPublicationCanStillBeEnded(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	lost := errors.New("lost")
	p := publish(t, h, &fakeSource{}, Options{})
	p.Close(lost)
	p.Close(lost)
	require.Equal(t, Away, h.Info("harbour").State)
	p.Close(ErrEnded)
	require.Equal(t, Offline, h.Info("harbour").State)

	p = publish(t, h, &fakeSource{}, Options{})
	p.Close(lost)
	q := publish(t, h, &fakeSource{}, Options{})
	p.Close(ErrEnded)
	require.Equal(t, Live, h.Info("harbour").State, "not once another has followed")
	q.Close(lost)
	p.Close(ErrEnded)
	require.Equal(t, Away, h.Info("harbour").State)
	q.Close(ErrEnded)
}

func TestSecondPublisher(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	src := &fakeSource{}
	p := publish(t, h, src, Options{})
	q := publish(t, h, &fakeSource{}, Options{})
	require.ErrorIs(t, p.Reason(), ErrReplaced, "the same subject takes over")
	require.Equal(t, []error{ErrReplaced}, src.closed)

	q.grant = auth.Grant{} // somebody without a name
	_, err := h.Publish(auth.System(auth.Publish, "harbour"), &fakeSource{}, Options{Resume: "guess"})
	require.ErrorIs(t, err, ErrBusy)
	_, err = h.Publish(auth.System(auth.Publish, "harbour"), &fakeSource{}, Options{Resume: q.Resume()})
	require.NoError(t, err, "whoever knows the secret is the same publisher")
}

func TestTracksAreThoseOfTheLastPublication(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	p := publish(t, h, &fakeSource{}, Options{})
	video, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	sink := &fakeSink{}
	video.Track().Attach(sink)
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: 48_000})
	require.NoError(t, err)
	p.Close(errors.New("lost"))
	require.Len(t, h.Info("harbour").Tracks, 2, "while its viewers wait")

	p = publish(t, h, &fakeSource{}, Options{})
	require.Len(t, p.Stream().Tracks(), 2, "nothing else is known yet")
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: 48_000})
	require.NoError(t, err)
	require.Equal(t, []TrackInfo{{Kind: "audio", Codec: "opus"}}, h.Info("harbour").Tracks)
	require.Nil(t, p.Stream().Track(media.Video), "nobody is refused for a codec that is not sent")
	again, err := p.AddTrack(media.Video, vp8)
	require.NoError(t, err)
	require.Same(t, video.Track(), again.Track(), "goes on where it was")
	p.Close(ErrEnded)
	require.ErrorIs(t, sink.closed, ErrEnded)
}

func TestKeyframeRequestsAreMerged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		src := &fakeSource{}
		p := publish(t, h, src, Options{})
		in, err := p.AddTrack(media.Video, vp8)
		require.NoError(t, err)
		for range 999 {
			in.Track().RequestKeyframe(0)
			time.Sleep(time.Millisecond)
		}
		synctest.Wait()
		require.Equal(t, 2, src.asked(), "two in the first second")
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 3, src.asked(), "the one that waited")

		time.Sleep(time.Second)
		in.Track().RequestKeyframe(0)
		in.Track().RequestKeyframe(0)
		time.Sleep(time.Millisecond)
		in.WritePacket(Incoming{Seq: 1, Arrival: time.Now(), Payload: vp8Packet(true)})
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 4, src.asked(), "a keyframe came, the waiting request is dropped")
	})
}

// A keyframe that came between two requests serves the first and not the second.
func TestKeyframeBeforeTheLastRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		src := &fakeSource{}
		p := publish(t, h, src, Options{})
		in, err := p.AddTrack(media.Video, vp8)
		require.NoError(t, err)
		in.Track().RequestKeyframe(0)
		time.Sleep(100 * time.Millisecond)
		in.Track().RequestKeyframe(0)
		time.Sleep(100 * time.Millisecond)
		in.WritePacket(Incoming{Seq: 1, Arrival: time.Now(), Payload: vp8Packet(true)})
		time.Sleep(100 * time.Millisecond)
		in.Track().RequestKeyframe(0) // for something lost after it
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, 2, src.asked())
	})
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := New(Config{})
		src := &fakeSource{}
		publish(t, h, src, Options{})
		sub := watch(t, h)
		ctx, cancel := contextWithCancel(t)
		done := make(chan error)
		go func() { done <- h.Run(ctx) }()
		cancel()
		require.NoError(t, <-done)
		require.Equal(t, []error{ErrShutdown}, src.closed)
		require.ErrorIs(t, sub.Reason(), ErrShutdown)
		_, err := h.Publish(auth.System(auth.Publish, "harbour"), src, Options{})
		require.ErrorIs(t, err, ErrShutdown)
	})
}

func TestPoster(t *testing.T) {
	t.Parallel()
	h := New(Config{PosterPath: func(s string, v int) string { return s + string(rune('0'+v)) }})
	p := publish(t, h, &fakeSource{}, Options{})
	require.ErrorIs(t, p.SetPoster([]byte("not a picture")), ErrPoster)
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 1300, 4)), nil))
	require.ErrorIs(t, p.SetPoster(b.Bytes()), ErrPoster, "too wide")
	b.Reset()
	require.NoError(t, jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 32, 18)), nil))
	require.NoError(t, p.SetPoster(b.Bytes()))
	picture, version := h.Poster("harbour")
	require.Equal(t, b.Bytes(), picture)
	require.Equal(t, 1, version)
	require.Equal(t, "harbour1", h.Info("harbour").Poster)
}

func TestTitle(t *testing.T) {
	t.Parallel()
	h := New(Config{})
	p := publish(t, h, &fakeSource{}, Options{Title: "Dawn"})
	require.NoError(t, p.SetTitle("Dusk"))
	require.Equal(t, "Dusk", h.Info("harbour").Title)
	require.ErrorIs(t, p.SetTitle(string(make([]byte, 121))), ErrTitle)
}

func BenchmarkWritePacket(b *testing.B) {
	h := New(Config{})
	p, err := h.Publish(auth.System(auth.Publish, "harbour"), &fakeSource{}, Options{})
	require.NoError(b, err)
	in, err := p.AddTrack(media.Video, vp8)
	require.NoError(b, err)
	for range 4 {
		in.Track().Attach(discard{})
	}
	payload := append(vp8Packet(false), make([]byte, 1196)...)
	arrival := time.Now()
	b.ReportAllocs()
	var seq uint16
	for b.Loop() {
		in.WritePacket(Incoming{Seq: seq, Timestamp: uint32(seq), Arrival: arrival, Payload: payload})
		seq++
	}
}

type discard struct{}

func (discard) WritePacket(*media.Packet) {}
func (discard) Close(error)               {}
