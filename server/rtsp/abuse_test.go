package rtsp

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// record announces a stream and begins to record it by hand.
func (w *wire) record(h *house, stream, transport string) *base.Response {
	w.t.Helper()
	url := h.url + "/" + stream
	require.Equal(w.t, base.StatusOK, w.do("ANNOUNCE", url, nil, videoSDP).StatusCode)
	res := w.do("SETUP", url+"/trackID=0", base.Header{"Transport": {transport}}, "")
	require.Equal(w.t, base.StatusOK, res.StatusCode, res.StatusMessage)
	session := base.HeaderValue{strings.Split(res.Header["Session"][0], ";")[0]}
	begun := w.do("RECORD", url, base.Header{"Session": session}, "")
	require.Equal(w.t, base.StatusOK, begun.StatusCode, begun.StatusMessage)
	return res
}

const recordTCP = "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"

func packetOf(seq uint16, payload []byte) []byte {
	b, _ := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, SSRC: 7}, Payload: payload}).Marshal()
	return b
}

// interleaved sends a packet in the connection.
func (w *wire) interleaved(channel byte, b []byte) {
	w.t.Helper()
	_, err := w.conn.Write(append([]byte{'$', channel, byte(len(b) >> 8), byte(len(b))}, b...))
	require.NoError(w.t, err)
}

// RTP from another address, or another port of it, is nobody's.
func TestForeignPackets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	mine, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	defer mine.Close()
	port := mine.LocalAddr().(*net.UDPAddr).Port
	w := h.wire()
	res := w.record(h, "harbour", "RTP/AVP;unicast;mode=record;client_port="+number(port)+"-"+number(port+1))
	var th headers.Transport
	require.NoError(t, th.Unmarshal(res.Header["Transport"]))
	to := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: th.ServerPorts[0]}
	h.live("harbour", 1)
	got := &counter{}
	defer h.track("harbour", media.Video).Attach(got)()
	for _, from := range []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 0, 0, 2)} {
		foreign, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
		require.NoError(t, err)
		for i := range 50 {
			_, err = foreign.WriteTo(packetOf(uint16(i), []byte{0x41, 1, 2, 3}), to)
			require.NoError(t, err)
		}
		_ = foreign.Close()
	}
	_, err = mine.WriteTo(packetOf(1000, []byte{0x65, 1, 2, 3}), to)
	require.NoError(t, err)
	require.Eventually(t, got.seen(func(c *counter) bool { return c.packets > 0 }), patience, time.Millisecond)
	assert.True(t, got.seen(func(c *counter) bool { return c.packets == 1 })(), "only the publisher's own")
}

func number(n int) string {
	return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(n)).String()[len("0.0.0.0:"):]
}

// What is no media in the connection of a publisher does no harm.
func TestInterleavedGarbage(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	w := h.wire()
	w.record(h, "harbour", recordTCP)
	got := &counter{}
	defer h.track("harbour", media.Video).Attach(got)()
	garbage := [][]byte{{}, {0}, {0x80}, []byte(strings.Repeat("x", 2000)), packetOf(1, nil), packetOf(2, []byte{0x7c}), packetOf(3, []byte{0x18, 0xff, 0xff})}
	for range 20 {
		for _, g := range garbage {
			w.interleaved(0, g)
			w.interleaved(1, g)
			w.interleaved(9, g)
		}
	}
	large := append([]byte{0x65}, make([]byte, 60_000)...)
	w.interleaved(0, packetOf(10, large))
	require.Eventually(t, got.seen(func(c *counter) bool { return c.packets > 50 }), patience, time.Millisecond)
	assert.True(t, got.seen(func(c *counter) bool { return c.largest <= media.MaxPayload })())
	assert.Equal(t, 1, h.log.count("packets are left out"), "said once")
	require.Equal(t, base.StatusOK, w.do("OPTIONS", h.url+"/harbour", nil, "").StatusCode, "and the connection goes on")
}

func TestBrokenRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for name, c := range map[string]struct {
		send string
		want string // in the log
	}{
		"no CSeq":        {"OPTIONS rtsp://127.0.0.1/x RTSP/1.0\r\n\r\n", "CSeq is missing"},
		"bad version":    {"OPTIONS rtsp://127.0.0.1/x RTSP/9.0\r\nCSeq: 1\r\n\r\n", "expected"},
		"no end":         {"OPTIONS rtsp://127.0.0.1/" + strings.Repeat("x", 4000), "buffer length exceeds"},
		"huge header":    {"OPTIONS rtsp://127.0.0.1/x RTSP/1.0\r\nX: " + strings.Repeat("x", 4000), "buffer length exceeds"},
		"many headers":   {"OPTIONS rtsp://127.0.0.1/x RTSP/1.0\r\n" + strings.Repeat("X: y\r\n", 300), "headers count exceeds"},
		"huge body":      {"ANNOUNCE rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n", "Content-Length exceeds"},
		"broken SDP":     {"ANNOUNCE rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: 4\r\n\r\nv=0\n", "invalid SDP"},
		"early media":    {"$\x00\x00\x04abcd", "unexpected interleaved frame"},
		"HTTP":           {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"},
		"HTTP tunnel":    {"POST /x HTTP/1.0\r\nContent-Type: application/x-rtsp-tunnelled\r\nX-Sessioncookie: 1\r\n\r\n", "HTTP"},
		"only garbage":   {strings.Repeat("\x00garbage ", 100_000), "far more was sent"},
		"no session yet": {"RECORD rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\nSession: nobody\r\n\r\n", "session not found"},
	} {
		t.Run(name, func(t *testing.T) {
			w := h.wire()
			_, _ = io.WriteString(w.conn, c.send) // the server may hang up in the middle
			_, err := io.Copy(io.Discard, w.conn)
			require.NotErrorIs(t, err, errDeadline, "the server ends it")
			require.Eventually(t, func() bool { return h.log.count(c.want) > 0 }, patience, time.Millisecond, c.want)
		})
	}
	p := publish(t, h.url+"/harbour", "tcp", picture, h264)
	h.live("harbour", 1)
	h.end(p, "harbour")
}

func TestTooManyRequests(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	w := h.wire()
	var line strings.Builder
	for range 20 * maxRequests {
		line.WriteString("OPTIONS rtsp://127.0.0.1/x RTSP/1.0\r\nCSeq: 1\r\n\r\n")
	}
	_, _ = io.WriteString(w.conn, line.String())
	_, err := io.Copy(io.Discard, w.conn)
	require.NotErrorIs(t, err, errDeadline)
	assert.Equal(t, 1, h.log.count("too many requests"))
}

// Connections that say nothing hold nobody up.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	for range 200 {
		h.wire()
	}
	publish(t, h.url+"/harbour", "tcp", picture, h264)
	h.live("harbour", 1)
	require.NoError(t, decode(t, h.url+"/harbour", "tcp", 5).wait(t))
}

func TestGuard(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	defer client.Close()
	defer server.Close()
	bound := &deadlined{Conn: server}
	g := newGuard(bound)
	within := func(limit time.Duration) {
		t.Helper()
		left := time.Until(bound.deadline)
		assert.True(t, left > 0 && left <= limit, "%v", left)
	}
	require.NoError(t, g.SetReadDeadline(time.Time{}))
	within(idleTime)
	require.NoError(t, g.SetReadDeadline(time.Now().Add(time.Second)))
	within(time.Second)
	g.courting.Store(time.Now().Add(time.Second - courtship).UnixNano())
	require.NoError(t, g.SetReadDeadline(time.Now().Add(time.Hour)))
	within(time.Second)
	g.settle(true)
	require.NoError(t, g.SetReadDeadline(time.Time{}))
	assert.True(t, bound.deadline.IsZero(), "a publisher by UDP may be silent")
	g.court()
	assert.True(t, g.spend(chatter-1))
	assert.False(t, g.spend(chatter))
	g.filled = time.Now().Add(-time.Minute)
	assert.True(t, g.spend(1), "in time there is more")
}

// deadlined notes its deadline.
type deadlined struct {
	net.Conn
	deadline time.Time
}

func (d *deadlined) SetReadDeadline(t time.Time) error {
	d.deadline = t
	return nil
}

func (d *deadlined) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// A player that does not read is closed, and the others do not feel it.
func TestSlowPlayer(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	in := h.feed("harbour")
	play := func() *wire {
		w, url := h.wire(), h.url+"/harbour"
		require.Equal(t, base.StatusOK, w.do("DESCRIBE", url, nil, "").StatusCode)
		res := w.do("SETUP", url+"/trackID=0", base.Header{"Transport": {"RTP/AVP/TCP;unicast;interleaved=0-1"}}, "")
		require.Equal(t, base.StatusOK, res.StatusCode)
		res = w.do("PLAY", url, base.Header{"Session": {strings.Split(res.Header["Session"][0], ";")[0]}}, "")
		require.Equal(t, base.StatusOK, res.StatusCode)
		return w
	}
	slow, quick := play(), play()
	require.NoError(t, slow.conn.(*net.TCPConn).SetReadBuffer(4096))
	seq, payload := uint16(0), append([]byte{0x65, 0x88}, make([]byte, 1100)...)
	got := 0
	for h.log.count("too slowly") == 0 {
		for range 100 {
			in.WritePacket(hub.Incoming{Seq: seq, Timestamp: uint32(seq), Arrival: time.Now(), Payload: payload})
			seq++
		}
		for range 100 {
			var f base.InterleavedFrame
			require.NoError(t, f.Unmarshal(quick.in))
			got++
		}
	}
	require.Eventually(t, func() bool { return h.srv.players.Load() == 1 }, patience, time.Millisecond)
	assert.Greater(t, got, writeQueue)
	assert.Equal(t, 1, h.log.count("too slowly"))
}

// In RTSPS media goes in the connection, where it is encrypted.
func TestSecureIsNotByUDP(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	h.feed("harbour")
	c, err := tls.Dial("tcp", h.srv.TLSAddr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	w := &wire{t: t, conn: c, in: bufio.NewReader(c)}
	require.Equal(t, base.StatusOK, w.do("DESCRIBE", h.tls+"/harbour", nil, "").StatusCode)
	res := w.do("SETUP", h.tls+"/harbour/trackID=0", base.Header{"Transport": {"RTP/AVP;unicast;client_port=5000-5001"}}, "")
	require.Equal(t, base.StatusUnsupportedTransport, res.StatusCode)
}
