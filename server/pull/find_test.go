package pull

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

var onDemand = Source{Stream: "cam", URL: "rtsp://admin:geheim@192.168.1.20/live", When: "watched", Private: true}

func TestWatchedPlaysWhileItIsWatched(t *testing.T) {
	t.Parallel()
	inside(t, func(int, Request) error { time.Sleep(500 * time.Millisecond); return nil }, func(h *house) {
		h.put(onDemand)
		h.after(time.Hour)
		h.is("cam", Waiting)
		tries, _ := h.cameras.now()
		require.Zero(t, tries)

		began := time.Now()
		viewer, err := h.watch("cam")
		require.NoError(t, err)
		require.Equal(t, 500*time.Millisecond, time.Since(began))
		second, err := h.watch("cam")
		require.NoError(t, err)
		h.after(time.Hour)
		viewer.Close(hub.ErrEnded)
		h.after(time.Hour)
		h.is("cam", Live)
		second.Close(hub.ErrEnded)
		h.after(9 * time.Second)
		h.is("cam", Live)
		third, err := h.watch("cam") // came back in time
		require.NoError(t, err)
		h.after(time.Hour)
		h.is("cam", Live)
		third.Close(hub.ErrEnded)
		h.after(12 * time.Second)
		h.is("cam", Waiting)
		tries, plays := h.cameras.now()
		require.Equal(t, 1, tries)
		require.Zero(t, plays)
		require.Equal(t, hub.Offline, h.hub.Info("cam").State)

		_, err = h.watch("cam")
		require.NoError(t, err)
		h.is("cam", Live)
	})
}

func TestWatchedComesBackForItsViewers(t *testing.T) {
	t.Parallel()
	inside(t, fine, func(h *house) {
		h.put(onDemand)
		viewer, err := h.watch("cam")
		require.NoError(t, err)
		h.after(time.Hour)
		h.cameras.answers(func(int, Request) error { return eof })
		h.cameras.broken <- eof
		h.after(3 * time.Second)
		h.is("cam", Unreachable)
		h.cameras.answers(fine)
		h.after(6 * time.Second)
		h.is("cam", Live)
		require.NoError(t, viewer.Reason())

		h.cameras.answers(func(int, Request) error { return eof })
		h.cameras.broken <- eof
		h.after(time.Hour)
		require.Error(t, viewer.Reason())
		tries, _ := h.cameras.now()
		require.Less(t, tries, 20, "it is given up with its viewers")
		require.Zero(t, h.is("cam", Unreachable).RetryAt)
	})
}

func TestFindSaysWhyNot(t *testing.T) {
	t.Parallel()
	inside(t, func(int, Request) error { return eof }, func(h *house) {
		require.ErrorIs(t, h.Find(h.Context(), "none"), hub.ErrNotLive)
		h.put(onDemand)
		began := time.Now()
		err := h.Find(h.Context(), "cam")
		require.ErrorIs(t, err, hub.ErrNotLive)
		require.Equal(t, "The camera of this stream cannot be reached. The server keeps trying.", err.Error())
		require.Zero(t, time.Since(began))
		h.cameras.answers(fine)
		require.NoError(t, h.Find(h.Context(), "cam"), "a short wait is waited for")
		require.Less(t, time.Since(began), 2*time.Second)
	})
}

func TestFindWaitsNoLongerThanItsViewer(t *testing.T) {
	t.Parallel()
	inside(t, fine, func(h *house) {
		hangs := make(chan struct{})
		h.cameras.answers(func(int, Request) error { <-hangs; return eof })
		h.put(onDemand)
		began := time.Now()
		require.ErrorContains(t, h.Find(h.Context(), "cam"), "takes long")
		require.Equal(t, findTime, time.Since(began))
		ctx, cancel := context.WithTimeout(h.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, h.Find(ctx, "cam"), context.DeadlineExceeded)
		h.is("cam", Connecting)
		close(hangs)
		synctest.Wait()
	})
}

func TestWatchedIsKeptByTheServersOwnSubscriptions(t *testing.T) {
	t.Parallel()
	inside(t, fine, func(h *house) {
		h.put(onDemand)
		push, err := h.hub.Watch(h.Context(), auth.System(auth.Watch, "cam"))
		require.NoError(t, err)
		h.after(time.Hour)
		require.Zero(t, h.hub.Info("cam").Viewers)
		h.is("cam", Live)
		push.Close(hub.ErrEnded)
		h.after(12 * time.Second)
		h.is("cam", Waiting)
	})
}
