package rtc

import (
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// footprint returns goroutines and bytes of heap in use.
func footprint() (goroutines int, heap uint64) {
	runtime.GC()
	runtime.GC() // pools give up what they hold only the second time
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}

// A viewing costs no goroutine while it lasts, and keeps nothing of the offer
// that it began with. It does not run beside other tests, which would be counted.
func TestFootprintOfSessions(t *testing.T) {
	const viewers, padding = 200, 30 << 10
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	h.publish(c, "s", "")
	h.live("s", 2)
	text := offerOf(t, newWatcher(t))
	watch := func() {
		// Each text is of its own, so that one which is kept is counted.
		o := strings.Replace(text, "m=audio", strings.Repeat("a=x-filling:"+strings.Repeat("x", 1000)+"\r\n", padding/1000)+"m=audio", 1)
		_, err := h.srv.open(t.Context(), request{
			grant: auth.System(auth.Watch, "s"), proto: "whep", offer: o, addr: netip.MustParseAddrPort("127.0.0.1:5"),
		})
		require.NoError(t, err)
	}
	limit := func() { // of one subject
		h.srv.sessions.mu.Lock()
		defer h.srv.sessions.mu.Unlock()
		clear(h.srv.sessions.subjects)
	}
	watch()
	goroutines, heap := footprint()
	for range viewers {
		limit()
		watch()
	}
	now, after := footprint()
	assert.LessOrEqual(t, now, goroutines+5)
	assert.Less(t, int(after)-int(heap), viewers*padding/2, "bytes of heap")
	t.Logf("%d bytes a viewer that waits for its handshake", (int(after)-int(heap))/viewers)

	h.srv.sessions.shutdown(hub.ErrShutdown)
	require.Eventually(t, func() bool { return h.srv.sessions.len() == 0 && runtime.NumGoroutine() <= goroutines+5 }, patience, time.Millisecond)
}
