package pull

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
)

var cam = Source{Stream: "cam", URL: "rtsp://admin:geheim@192.168.1.20/live", Private: true}

func TestAlwaysPlaysAndComesBack(t *testing.T) {
	t.Parallel()
	inside(t, fine, func(h *house) {
		h.put(cam)
		h.is("cam", Live)
		h.after(time.Minute) // nobody watches, and it plays on
		since := h.is("cam", Live).Since
		viewer, err := h.watch("cam")
		require.NoError(t, err)

		h.cameras.broken <- eof
		broken := h.is("cam", Unreachable)
		require.Greater(t, broken.Since, since)
		require.Greater(t, broken.RetryAt, broken.Since)
		require.Contains(t, broken.Text, "broke off")
		h.after(1300 * time.Millisecond)
		h.is("cam", Live)
		require.NoError(t, viewer.Reason(), "viewers stay")

		require.NoError(t, h.Delete(h.Context(), "cam"))
		h.after(0)
		require.ErrorIs(t, viewer.Reason(), hub.ErrEnded)
		require.Empty(t, h.List())
		require.Equal(t, hub.Offline, h.hub.Info("cam").State)
	})
}

func TestEveryFailureHasItsStateAndSentence(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want State
		text string
		wait time.Duration // at least until it is tried again
	}{
		"password": {fmt.Errorf("%w: 401", ErrPassword), WrongPassword, "user name and password", time.Minute},
		"no video": {fmt.Errorf("%w: MP4A-LATM", ErrNoVideo), NoVideo, "MP4A-LATM", 20 * time.Second},
		"frozen":   {ErrFrozen, Frozen, "stopped sending", 800 * time.Millisecond},
		"refused":  {dialError(&net.OpError{Op: "dial", Err: netguard.ErrRefused}), Refused, "belongs to no camera", 20 * time.Second},
		"closed":   {dialError(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), Unreachable, "port 554", 800 * time.Millisecond},
		"no route": {dialError(syscall.EHOSTUNREACH), Unreachable, "no way to", 800 * time.Millisecond},
		"no name":  {dialError(&net.DNSError{Name: "x", IsNotFound: true}), Unreachable, "No host is named", 800 * time.Millisecond},
		"silent":   {dialError(&net.DNSError{Name: "x", IsTimeout: true}), Unreachable, "does not answer", 800 * time.Millisecond},
		"told":     {told("The camera at 192.168.1.20 serves geheim many."), Unreachable, "The camera at 192.168.1.20 serves *** many.", 800 * time.Millisecond},
		"other":    {errors.New("bad \x00SDP for geheim"), Unreachable, "bad  SDP for ***.", 800 * time.Millisecond},
		"nothing":  {nil, Unreachable, "cannot be reached", 800 * time.Millisecond},
		"panic":    {errPanic, Unreachable, "beyond us", 800 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := func(int, Request) error {
				if errors.Is(c.err, errPanic) {
					panic("a camera's bytes")
				}
				return c.err
			}
			inside(t, answer, func(h *house) {
				if c.err == nil {
					h.cameras.answers(fine)
					h.put(cam)
					h.is("cam", Live)
					h.cameras.broken <- nil
					h.is("cam", Unreachable)
					return
				}
				h.put(cam)
				i := h.is("cam", c.want)
				require.Contains(t, i.Text, c.text)
				require.NotContains(t, i.Text, "geheim")
				require.True(t, strings.HasSuffix(i.Text, "."), i.Text)
				require.GreaterOrEqual(t, time.Until(time.UnixMilli(i.RetryAt)), c.wait-time.Millisecond)
				h.after(200 * time.Millisecond)
				require.Equal(t, i.Since, h.is("cam", c.want).Since)
			})
		})
	}
}

func TestThatPlayedUntilAMomentAgoIsExpectedBack(t *testing.T) {
	t.Parallel()
	for state, away := range map[State]error{
		NoVideo:     fmt.Errorf("%w: 404", ErrNoVideo),
		Unreachable: dialError(syscall.ECONNREFUSED),
	} {
		inside(t, fine, func(h *house) {
			h.put(cam)
			h.after(time.Minute)
			h.cameras.answers(func(int, Request) error { return away })
			h.cameras.broken <- eof
			h.after(1300 * time.Millisecond)
			i := h.is("cam", state)
			require.Contains(t, i.Text, "It was there until a moment ago and may be starting again.")
			require.LessOrEqual(t, time.Until(time.UnixMilli(i.RetryAt)), 2500*time.Millisecond)
			h.after(30 * time.Minute)
			require.Regexp(t, `until (29|30) min ago`, h.is("cam", state).Text)
			h.after(32 * time.Minute)
			require.NotContains(t, h.is("cam", state).Text, "ago")
			h.cameras.answers(fine)
			h.after(time.Minute + 20*time.Second)
			h.is("cam", Live)
			h.cameras.answers(func(int, Request) error { return away })
			h.put(Source{Stream: "cam", URL: "rtsp://192.168.1.21/", Private: true})
			require.NotContains(t, h.is("cam", state).Text, "ago", "another camera was not there")
		})
	}
}

// told is an error of an Opener that says it itself.
type told string

func (t told) Error() string { return string(t) }
func (told) Unwrap() error   { return ErrUnreachable }

var errPanic = errors.New("panic")

func TestBackoffGrowsToHalfAMinuteAndKeepsSince(t *testing.T) {
	t.Parallel()
	inside(t, func(int, Request) error { time.Sleep(time.Second); return eof }, func(h *house) {
		h.put(cam)
		h.is("cam", Connecting)
		h.after(time.Second)
		first := h.is("cam", Unreachable)
		h.after(5 * time.Minute)
		require.Equal(t, first.Since, h.is("cam", Unreachable).Since)
		tries, _ := h.cameras.now()
		require.InDelta(t, 14, tries, 3)
		h.cameras.mu.Lock()
		times := h.cameras.times
		h.cameras.mu.Unlock()
		for i := range len(times) - 1 {
			d := times[i+1].Sub(times[i]) - time.Second
			require.GreaterOrEqual(t, d, 800*time.Millisecond)
			require.LessOrEqual(t, d, 36*time.Second)
		}
	})
}

func TestWrongPasswordDoesNotLockTheAccount(t *testing.T) {
	t.Parallel()
	inside(t, func(int, Request) error { return ErrPassword }, func(h *house) {
		h.put(onDemand)
		for range 100 { // impatient viewers
			_, err := h.watch("cam")
			var why *hub.UnavailableError
			require.ErrorAs(t, err, &why)
			require.NotContains(t, why.Detail, "192.168")
			h.after(time.Second)
		}
		tries, _ := h.cameras.now()
		require.LessOrEqual(t, tries, 3)
		h.cameras.answers(fine)
		corrected := cam
		corrected.URL = "rtsp://admin:besser@192.168.1.20/live"
		h.put(corrected)
		h.is("cam", Live)
	})
}

func TestNameThatSomebodyElseHas(t *testing.T) {
	t.Parallel()
	inside(t, fine, func(h *house) {
		p, err := h.hub.Publish(auth.System(auth.Publish, "other"), source{}, hub.Options{})
		require.NoError(t, err)
		p.Close(hub.ErrEnded)
		h.cameras.answers(func(int, Request) error { return hub.ErrBusy })
		h.put(cam)
		require.Contains(t, h.is("cam", Waiting).Text, "Somebody else")
		h.after(2 * time.Minute)
		h.is("cam", Waiting)
		h.after(2 * time.Second)
		h.cameras.answers(fine)
		p, err = h.hub.Publish(auth.System(auth.Publish, "cam"), source{}, hub.Options{})
		require.NoError(t, err)
		p.Close(hub.ErrEnded)
		h.is("cam", Live) // at once, not when its time had come
	})
}

func TestChangeReconnectsAtOnceAndKeepsViewers(t *testing.T) {
	t.Parallel()
	var seen []string
	answer := func(_ int, r Request) error { seen = append(seen, r.URL.String()); return nil }
	inside(t, answer, func(h *house) {
		h.put(cam)
		h.is("cam", Live)
		viewer, err := h.watch("cam")
		require.NoError(t, err)
		changed := cam
		changed.URL, changed.When = "rtsp://admin:***@192.168.1.20/other", "watched"
		h.put(changed)
		h.is("cam", Live)
		require.NoError(t, viewer.Reason())
		require.Equal(t, "rtsp://admin:geheim@192.168.1.20/other", seen[1])
		h.put(changed) // nothing new
		tries, _ := h.cameras.now()
		require.Equal(t, 2, tries)
		h.after(time.Minute)
		h.is("cam", Live)
		viewer.Close(hub.ErrEnded)
		h.after(12 * time.Second)
		h.is("cam", Waiting)
	})
}

func TestManyStartApart(t *testing.T) {
	t.Parallel()
	var many []Source
	for i := range maxSources {
		many = append(many, Source{Stream: fmt.Sprintf("cam%d", i), URL: "rtsp://c/"})
	}
	inside(t, fine, func(h *house) {
		h.after(time.Second)
		_, plays := h.cameras.now()
		require.InDelta(t, 200, plays, 80)
		h.after(3 * time.Second)
		_, plays = h.cameras.now()
		require.Equal(t, maxSources, plays)
		_, _, err := h.Put(h.Context(), cam, true)
		require.ErrorIs(t, err, ErrFull)
	}, many...)
}

func TestOffWhenTheServerStops(t *testing.T) {
	t.Parallel()
	var h *house
	inside(t, fine, func(in *house) { h = in; h.put(cam); h.is("cam", Live) })
	require.Equal(t, Off, h.List()[0].State)
}
