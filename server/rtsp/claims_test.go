package rtsp

import (
	"net"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// A stranger behind the NAT of a publisher can neither take its ports nor cut
// it off.
func TestPortsOfAnother(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	mine, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer mine.Close()
	port := mine.LocalAddr().(*net.UDPAddr).Port
	ports := ";client_port=" + number(port) + "-" + number(port+1)
	res := h.wire().record(h, "harbour", "RTP/AVP;unicast;mode=record"+ports)
	var th headers.Transport
	require.NoError(t, th.Unmarshal(res.Header["Transport"]))
	h.live("harbour", 1)
	h.feed("film")
	player := h.wire()
	require.Equal(t, base.StatusOK, player.do("DESCRIBE", h.url+"/film", nil, "").StatusCode)
	res = player.do("SETUP", h.url+"/film/trackID=0", base.Header{"Transport": {"RTP/AVP;unicast" + ports}}, "")
	require.Equal(t, base.StatusBadRequest, res.StatusCode)
	require.Contains(t, res.StatusMessage, "UDP ports")
	_ = player.conn.Close()
	require.Eventually(t, func() bool { return h.srv.players.Load() == 0 }, patience, time.Millisecond)

	got := &counter{}
	defer h.track("harbour", media.Video).Attach(got)()
	_, err = mine.WriteTo(packetOf(1, []byte{0x65, 1, 2, 3}), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: th.ServerPorts[0]})
	require.NoError(t, err)
	require.Eventually(t, got.seen(func(c *counter) bool { return c.packets == 1 }), patience, time.Millisecond)
}

// Ports are free again when their session has ended.
func TestPortsAreGivenBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	h.feed("film")
	for range 3 {
		w := h.wire()
		res := w.do("SETUP", h.url+"/film/trackID=0", base.Header{"Transport": {"RTP/AVP;unicast;client_port=40000-40001"}}, "")
		require.Equal(t, base.StatusOK, res.StatusCode, res.StatusMessage)
		_ = w.conn.Close()
		require.Eventually(t, func() bool {
			h.srv.claims.mu.Lock()
			defer h.srv.claims.mu.Unlock()
			return len(h.srv.claims.owners) == 0
		}, patience, time.Millisecond)
	}
}
