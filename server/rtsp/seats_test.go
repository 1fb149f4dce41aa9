package rtsp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Strangers who play can take neither all seats nor those of the publishers.
func TestSeats(t *testing.T) {
	t.Parallel()
	s := seats{near: map[netip.Addr]int{}}
	host := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}) }
	for range maxSessionsNear {
		require.NoError(t, s.take(host(1), true))
	}
	require.ErrorIs(t, s.take(host(1), true), ErrTooMany)
	require.ErrorIs(t, s.take(host(1), false), ErrTooMany)
	for n := maxSessionsNear; n < maxSessions-keptFree; n++ {
		require.NoError(t, s.take(netip.MustParseAddr("::1"), true))
	}
	require.ErrorIs(t, s.take(host(2), true), ErrTooMany)
	for range keptFree {
		require.NoError(t, s.take(host(2), false))
	}
	require.ErrorIs(t, s.take(host(3), false), ErrTooMany)
	s.leave(host(2), false)
	require.NoError(t, s.take(host(3), false))
	for range maxSessionsNear {
		s.leave(host(1), true)
	}
	assert.NotContains(t, s.near, host(1))
}

// Whoever asks in vain, or asks for one thing and does another, leaves no seat
// taken and no viewer behind.
func TestSeatsAreGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	empty := func() bool {
		h.srv.seats.mu.Lock()
		defer h.srv.seats.mu.Unlock()
		return len(h.srv.near) == 0 && h.srv.players.Load() == 0 && h.srv.publishers.Load() == 0
	}
	first, second := h.wire(), h.wire()
	tcp := base.Header{"Transport": {"RTP/AVP/TCP;unicast;interleaved=0-1"}}
	res := first.do("SETUP", h.url+"/film/trackID=0", tcp, "")
	require.Equal(t, base.StatusNotFound, res.StatusCode)
	assert.True(t, empty())
	session := base.HeaderValue{strings.Split(res.Header["Session"][0], ";")[0]}
	require.Equal(t, base.StatusOK, second.do("GET_PARAMETER", h.url+"/film", base.Header{"Session": session}, "").StatusCode)
	h.feed("film")
	tcp["Session"] = session
	require.Equal(t, base.StatusBadRequest, first.do("SETUP", h.url+"/film/trackID=9", tcp, "").StatusCode)
	first.closed()
	require.Equal(t, base.StatusOK, second.do("ANNOUNCE", h.url+"/other", base.Header{"Session": session}, videoSDP).StatusCode)
	_ = second.conn.Close()
	require.Eventually(t, empty, patience, time.Millisecond)
	require.Eventually(t, func() bool { return h.hub.Info("film").Viewers == 0 }, patience, time.Millisecond)
}
