package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "live_1_geheim"

const ingest = "rtmp://ingest.example/app/" + key

// service plays Sender: it answers each connection, and takes the stream where
// the answer is nil, until it is broken.
type service struct {
	broken chan error

	mu     sync.Mutex
	answer func(target *url.URL) error
	tries  []time.Time
}

func (s *service) Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(int)) error {
	s.mu.Lock()
	s.tries = append(s.tries, time.Now())
	answer := s.answer
	s.mu.Unlock()
	if err := answer(target); err != nil {
		return err
	}
	sub, err := open()
	if err != nil {
		return err
	}
	defer sub.Close(hub.ErrEnded)
	sent(1000)
	sent(500)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-sub.Done():
		return sub.Reason()
	case err := <-s.broken:
		return err
	}
}

func (s *service) answers(answer func(*url.URL) error) {
	s.mu.Lock()
	s.answer = answer
	s.mu.Unlock()
}

func (s *service) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.tries)
}

func fine(*url.URL) error { return nil }

// source is a publication's end that nobody asks anything of.
type source struct{}

func (source) RequestKeyframe(*hub.Track, int) {}
func (source) Close(error)                     {}

// memory is a Storage.
type memory struct {
	mu   sync.Mutex
	docs map[string][]byte
	fail error
}

func (m *memory) Put(_ context.Context, id string, body []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail == nil {
		m.docs[id] = body
	}
	return m.fail
}

func (m *memory) All(context.Context) (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.docs), m.fail
}

func (m *memory) Delete(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, id)
	return m.fail
}

// house is a Manager with all around it.
type house struct {
	*testing.T
	*Manager
	hub           *hub.Hub
	guarded, free *service
	memory        *memory
}

func newHouse(t *testing.T, fixed ...Target) *house {
	t.Helper()
	h := &house{T: t, memory: &memory{docs: map[string][]byte{}}, hub: hub.New(hub.Config{})}
	h.guarded = &service{answer: fine, broken: make(chan error)}
	h.free = &service{answer: fine, broken: make(chan error)}
	m, err := h.manager(fixed...)
	require.NoError(t, err)
	h.Manager = m
	return h
}

func (h *house) manager(fixed ...Target) (*Manager, error) {
	return New(h.Context(), Config{
		Hub: h.hub, Storage: h.memory, Fixed: fixed,
		Grant:   func(stream string) auth.Grant { return auth.System(auth.Watch, stream) },
		Guarded: Exit{all(h.guarded), netguard.New(false).Allow},
		Free:    Exit{all(h.free), netguard.New(true).Allow},
	})
}

// all has a service for all schemes.
func all(s *service) map[string]Sender {
	m := map[string]Sender{}
	for _, scheme := range []string{"http", "https", "rtmp", "rtmps", "rtsp", "rtsps", "srt", "whip", "whips"} {
		m[scheme] = s
	}
	return m
}

// inside runs a test in a bubble of its own time, with the Manager running.
func inside(t *testing.T, test func(h *house), fixed ...Target) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, fixed...)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = h.hub.Run(ctx) })
		running.Go(func() { _ = h.Manager.Run(ctx) })
		synctest.Wait()
		test(h)
		cancel()
		running.Wait()
	})
}

func (h *house) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// is demands the state of the only push, which is returned.
func (h *house) is(want State) Info {
	h.Helper()
	synctest.Wait()
	list := h.List()
	require.Len(h, list, 1)
	require.Equal(h, want, list[0].State, list[0].Text)
	require.True(h, strings.HasSuffix(list[0].Text, "."), list[0].Text)
	require.NotContains(h, fmt.Sprint(list), "geheim")
	return list[0]
}

func (h *house) publish() *hub.Publication {
	h.Helper()
	p, err := h.hub.Publish(auth.System(auth.Publish, "cam"), source{}, hub.Options{})
	require.NoError(h, err)
	return p
}

func (h *house) push() Info {
	h.Helper()
	i, err := h.Add(h.Context(), "cam", ingest, false)
	require.NoError(h, err)
	return i
}

func TestFollowsTheStream(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		made := h.push()
		require.Equal(t, "rtmp://ingest.example/app/•••", made.URL)
		h.after(time.Hour)
		require.Equal(t, "Starts when cam goes on air.", h.is(Waiting).Text)
		require.Zero(t, h.guarded.count())

		p := h.publish()
		live := h.is(Live)
		require.EqualValues(t, 1500, live.Bytes)
		require.Zero(t, live.Retries)
		require.Zero(t, h.hub.Info("cam").Viewers, "a push is no viewer")
		h.after(time.Hour)

		p.Close(errors.New("the encoder's network broke"))
		h.after(5 * time.Second)
		h.is(Live) // through the grace time
		p = h.publish()
		h.after(time.Minute)
		require.Equal(t, 1, h.guarded.count())

		p.Close(hub.ErrEnded)
		require.EqualValues(t, 1500, h.is(Waiting).Bytes)
		h.after(time.Hour)
		require.Equal(t, 1, h.guarded.count())
		h.publish()
		h.is(Live)
		require.Equal(t, 2, h.guarded.count())
		require.Zero(t, h.free.count())
	})
}

func TestStartsWithAStreamThatIsOnAirAlready(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.publish()
		made := h.push()
		require.Equal(t, "Connecting.", made.Text)
		require.Equal(t, Connecting, made.State)
		h.is(Live)
		_, err := h.SetEnabled(h.Context(), made.ID, false)
		require.NoError(t, err)
		h.is(Off)
		made, err = h.SetEnabled(h.Context(), made.ID, true)
		require.NoError(t, err)
		require.Equal(t, "Connecting.", made.Text)
	})
}

func TestRetries(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.guarded.answers(func(*url.URL) error { time.Sleep(time.Second); return fmt.Errorf("bad name %s", key) })
		h.push()
		p := h.publish()
		h.is(Connecting)
		h.after(time.Second)
		first := h.is(Retrying)
		require.Equal(t, "ingest.example does not take the stream: bad name •••. It is tried again.", first.Text)
		require.Greater(t, first.RetryAt, first.Since)
		h.after(5 * time.Minute)
		later := h.is(Retrying)
		require.Equal(t, first.Since, later.Since)
		require.InDelta(t, 13, later.Retries, 3)
		for i := range h.guarded.count() - 1 {
			d := h.guarded.tries[i+1].Sub(h.guarded.tries[i]) - time.Second
			require.GreaterOrEqual(t, d, 800*time.Millisecond)
			require.LessOrEqual(t, d, 36*time.Second)
		}
		h.guarded.answers(fine)
		h.after(40 * time.Second)
		h.is(Live)
		h.after(time.Minute)
		h.guarded.broken <- &net.OpError{Op: "write", Err: syscall.ECONNRESET}
		require.Contains(t, h.is(Retrying).Text, "broke off")
		h.after(1300 * time.Millisecond) // the failures before are forgotten
		h.is(Live)

		h.guarded.answers(func(*url.URL) error { return io.EOF })
		h.guarded.broken <- io.EOF
		h.after(time.Minute)
		require.Contains(t, h.is(Retrying).Text, "stream key")
		p.Close(hub.ErrEnded)
		h.is(Waiting)
		tries := h.guarded.count()
		h.after(time.Hour)
		require.Equal(t, tries, h.guarded.count())
		h.guarded.answers(fine)
		h.publish()
		require.Zero(t, h.is(Live).Retries)
	})
}

func TestTurnedOffAndOnAgain(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		id := h.push().ID
		h.publish()
		h.is(Live)
		for range 2 {
			_, err := h.SetEnabled(h.Context(), id, false)
			require.NoError(t, err)
			require.False(t, h.is(Off).Enabled)
			require.Zero(t, h.hub.Info("cam").Held)
		}
		require.Contains(t, string(h.memory.docs[id]), `"enabled":false`)
		h.after(time.Hour)
		require.Equal(t, 1, h.guarded.count())
		_, err := h.SetEnabled(h.Context(), id, true)
		require.NoError(t, err)
		h.is(Live)
		require.NoError(t, h.Delete(h.Context(), id))
		h.after(time.Minute)
		require.Empty(t, h.List())
		require.Zero(t, h.hub.Info("cam").Held)
		require.Empty(t, h.memory.docs)
		require.Equal(t, 2, h.guarded.count())
	})
}

func TestEndsWithTheStreamWhileItConnects(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.guarded.answers(func(*url.URL) error { time.Sleep(5 * time.Second); return nil })
		h.push()
		p := h.publish()
		h.is(Connecting)
		p.Close(hub.ErrEnded)
		h.after(10 * time.Second)
		h.is(Waiting)
		require.Equal(t, 1, h.guarded.count())
	})
}

func TestOnlyAdminsReachPrivateAddresses(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.guarded.answers(func(*url.URL) error { return &net.OpError{Op: "dial", Err: netguard.ErrRefused} })
		h.publish()
		id := h.push().ID
		i := h.is(Retrying)
		require.Contains(t, i.Text, "admin")
		require.GreaterOrEqual(t, time.Until(time.UnixMilli(i.RetryAt)), 8*time.Minute)
		require.NotContains(t, i.Text, "tried again")
		h.after(time.Hour)
		require.InDelta(t, 7, h.guarded.count(), 2)
		require.NoError(t, h.Delete(h.Context(), id))
		_, err := h.Add(h.Context(), "cam", ingest, true)
		require.NoError(t, err)
		h.is(Live)
		require.Equal(t, 1, h.free.count())
	})
}

func TestPanicOfASenderIsAFailure(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.guarded.answers(func(*url.URL) error { panic("bytes") })
		h.publish()
		h.push()
		h.is(Retrying)
	})
}

func TestFixed(t *testing.T) {
	t.Parallel()
	inside(t, func(h *house) {
		h.publish()
		i := h.is(Live)
		require.True(t, i.Fixed)
		require.ErrorIs(t, h.Delete(h.Context(), i.ID), ErrFixed)
		_, err := h.SetEnabled(h.Context(), i.ID, false)
		require.ErrorIs(t, err, ErrFixed)
		_, err = h.Add(h.Context(), "cam", ingest, false)
		require.ErrorIs(t, err, ErrTwice)
	}, Target{Stream: "cam", URL: ingest})
}

func TestSentences(t *testing.T) {
	t.Parallel()
	u, err := parse("rtmp://h/a/b")
	require.NoError(t, err)
	seen := map[string]bool{}
	for why := netguard.Other; why <= netguard.Broken; why++ {
		for _, played := range []bool{false, true} {
			for _, private := range []bool{false, true} {
				s := sentence(why, u, private, played, "bad")
				require.Regexp(t, `h.*\.$`, s)
				seen[s] = true
			}
		}
	}
	require.Len(t, seen, 10)
	require.Equal(t, "The server at h refuses the key. Check it. It is tried again.",
		sentence(netguard.Broken, u, false, false, "The server at h refuses the key. Check it."))
}
