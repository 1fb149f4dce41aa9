package srt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gosrt "github.com/datarhei/gosrt"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/srt/ts"
)

const passphrase = "correct horse battery"

// reel makes a transport stream of H264 and Opus, 30 pictures a second.
type reel struct {
	mux *ts.Muxer
	at  int
}

func newReel() *reel { return &reel{mux: ts.NewMuxer([]ts.Kind{ts.H264, ts.Opus}, 2)} }

// next is one picture and its sound.
func (r *reel) next() []byte {
	i := r.at
	r.at++
	at := int64(90_000 + 3000*i)
	units := [][]byte{{0x41, byte(i), 1, 2, 3, 4}}
	if i%10 == 0 {
		units = [][]byte{sps(), {0x68, 0xee, 0x3c, 0x80}, append([]byte{0x65, byte(i)}, bytes.Repeat([]byte{1}, 3000)...)}
	}
	b := r.mux.Append(nil, 0, ts.Unit{PTS: at, DTS: at, Data: writePicture(ts.H264, units)}, i%10 == 0)
	sound, _ := writeOpus([][]byte{{0xfc, byte(i), 1}})
	return r.mux.Append(b, 1, ts.Unit{PTS: at, DTS: at, Data: sound}, true)
}

// sps is of 640x360 without B-frames.
func sps() []byte {
	return []byte{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x61, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00, 0x03, 0x00, 0x3c, 0x0f, 0x16, 0x2e, 0x48}
}

// send writes n pictures as fast as it goes.
func send(t *testing.T, x *caller, r *reel, n int) {
	t.Helper()
	for range n {
		for b := range slices.Chunk(r.next(), payload) {
			require.NoError(t, x.write(b))
		}
	}
}

func TestPublish(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false, "")
	x, hangUp := h.caller("publish:harbour:"+h.key("harbour"), "")
	send(t, x, newReel(), 60)
	info := h.live("harbour", 2)
	require.Equal(t, "srt", info.Proto)
	hangUp()
	require.Eventually(t, func() bool { return h.hub.Info("harbour").State == hub.Offline }, waitAtMost, 5*time.Millisecond,
		"an encoder that says goodbye ends its stream at once")
	require.NotContains(t, h.log.String(), "hk_")
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	open, closed, locked := newHouse(t, true, ""), newHouse(t, false, ""), newHouse(t, true, passphrase)
	key, other, lockedKey := closed.key("harbour"), closed.key("other"), locked.key("harbour")
	busy, _ := closed.caller("publish:harbour:"+key, "")
	_ = busy
	closed.live("harbour", 0)
	for name, c := range map[string]struct {
		house                *house
		streamID, passphrase string
		want                 gosrt.RejectionReason // 0: taken
		reason               string
	}{
		"no stream id":                {open, "", "", gosrt.REJX_BAD_REQUEST, errStreamID.Error()},
		"bad name":                    {open, "publish:a/b", "", gosrt.REJX_BAD_REQUEST, auth.ErrName.Error()},
		"mode":                        {open, "#!::r=a,m=bidirectional", "", gosrt.REJX_BAD_MODE, ""},
		"open":                        {open, "publish:a", "", 0, ""},
		"open, control form":          {open, "#!::r=b,m=publish", "", 0, ""},
		"wrong key on an open server": {open, "publish:c:hk_wrong", "", gosrt.REJX_UNAUTHORIZED, auth.ErrUnauthenticated.Error()},
		"unknown passphrase":          {open, "publish:d", passphrase, gosrt.REJ_BADSECRET, errPassphrase.Error()},
		"not live":                    {open, "read:nothing", "", gosrt.REJX_NOTFOUND, hub.ErrNotLive.Error()},
		"no key":                      {closed, "publish:free", "", gosrt.REJX_UNAUTHORIZED, auth.ErrUnauthenticated.Error()},
		"wrong key":                   {closed, "publish:free:hk_wrong", "", gosrt.REJX_UNAUTHORIZED, auth.ErrUnauthenticated.Error()},
		"key of another stream":       {closed, "publish:free:" + other, "", gosrt.REJX_FORBIDDEN, auth.ErrDenied.Error()},
		"key as passphrase":           {closed, "publish:other", other, 0, ""},
		"key as both":                 {closed, "#!::r=other,m=publish,s=" + other, other, 0, ""},
		"wrong key as passphrase":     {closed, "publish:other", key, gosrt.REJ_BADSECRET, errPassphrase.Error()},
		"plain where locked":          {locked, "publish:a", "", gosrt.REJ_UNSECURE, errPlain.Error()},
		"locked":                      {locked, "publish:a", passphrase, 0, ""},
		"wrong passphrase":            {locked, "publish:a", "another passphrase", gosrt.REJ_BADSECRET, errPassphrase.Error()},
		"key instead of passphrase":   {locked, "publish:harbour", lockedKey, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, err := c.house.connect(c.streamID, c.passphrase)
			if c.want == 0 {
				require.NoError(t, err)
				_ = x.send(x.shutdown())
				require.NoError(t, x.socket.Close())
				return
			}
			var refused *rejectedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, c.want, gosrt.RejectionReason(refused.code), err)
			c.house.logged("srt: refused", c.reason)
		})
	}
}

func TestBusyAndTakeover(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	key := h.key("harbour")
	first, err := h.connect("publish:harbour:"+key, "")
	require.NoError(t, err)
	t.Cleanup(func() { _ = first.socket.Close() })
	_, err = h.connect("publish:harbour", "")
	var refused *rejectedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, gosrt.REJX_CONFLICT, gosrt.RejectionReason(refused.code))
	second, _ := h.caller("publish:harbour:"+key, "")
	send(t, second, newReel(), 20)
	h.live("harbour", 2)
	h.logged("publication ended", hub.ErrReplaced.Error())
}

func TestSilentPublisherIsClosed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "", func(s *Server) { s.silence = time.Second })
	x, _ := h.caller("publish:harbour", "") // it says keepalive, but sends nothing
	send(t, x, newReel(), 2)
	h.logged("publication ended", errSilent.Error())
}

// What a datagram can do to the library: its parser panics.
func TestMalformedHandshakes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	c, err := net.Dial("udp", h.srv.Addr())
	require.NoError(t, err)
	defer func() { _ = c.Close() }()
	b := make([]byte, 16+48)
	b[0] = 0x80
	binary.BigEndian.PutUint32(b[16:], 5)          // version
	binary.BigEndian.PutUint16(b[22:], 1)          // extensions
	binary.BigEndian.PutUint32(b[36:], 0xffffffff) // conclusion
	for _, tail := range [][]byte{{}, {0}, {0, 1}, {0, 1, 0}, {0, 5, 0, 1}, {0, 5, 0xff, 0xff, 1}, {0, 3, 0, 0, 1}, bytes.Repeat([]byte{0, 4, 0, 0}, 300)} {
		for n := range 20 {
			_, err := c.Write(append(bytes.Clone(b[:len(b)-n%2]), tail...))
			require.NoError(t, err)
		}
	}
	x, _ := h.caller("publish:harbour", "")
	send(t, x, newReel(), 20)
	h.live("harbour", 2)
}

// A caller that says its packets have no room makes the library allocate 4 GiB.
func TestHandshakeBounds(t *testing.T) {
	t.Parallel()
	o := newOverseer(newSessions())
	got := o.read("--- handshake ---\n   maxTransmissionUnitSize: 0x0005dc (1500)\n   recvTSBPDDelay: 0x0014 (20ms)\n   sendTSBPDDelay: 0x2710 (10000ms)\n   streamId : maxTransmissionUnitSize: 0x0 (7)\n")
	require.Equal(t, handshake{mtu: 1500, latency: 10 * time.Second}, got)

	h := newHouse(t, true, "")
	_, err := connect(t.Context(), call{
		dial: (&net.Dialer{}).DialContext, address: h.srv.Addr(), streamID: "publish:a", latency: maxLatency + time.Second,
	})
	var refused *rejectedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, gosrt.REJX_UNACCEPTABLE, gosrt.RejectionReason(refused.code))

	for _, mtu := range []uint32{0, 43, 44, 76, 575, 1501} {
		_, err = connect(t.Context(), call{address: h.srv.Addr(), streamID: "publish:a", dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return tiny{c, mtu}, err
		}})
		require.ErrorAs(t, err, &refused)
		require.Equal(t, gosrt.REJ_ROGUE, gosrt.RejectionReason(refused.code))
	}
	h.logged("srt: refused", errLatency.Error())
}

// tiny lies about the size of its packets.
type tiny struct {
	net.Conn
	mtu uint32
}

func (c tiny) Write(b []byte) (int, error) {
	binary.BigEndian.PutUint32(b[16+12:], c.mtu)
	return c.Conn.Write(b)
}

func TestLimits(t *testing.T) {
	t.Parallel()
	l := newSessions()
	for i := range maxPerNetwork {
		require.True(t, l.admit(&session{network: near()}, uint32(i)))
	}
	require.False(t, l.admit(&session{network: near()}, 1000))
	for i := l.len(); i < maxSessions; i++ {
		require.True(t, l.admit(&session{network: loopback()}, uint32(i)))
	}
	require.False(t, l.admit(&session{network: loopback()}, 1000))
	for i, x := range l.all() {
		l.remove(x, uint32(i))
	}
	require.Zero(t, l.len())
}

func TestNew(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	good := Config{Hub: h.hub, Checker: h.auth, Listen: "127.0.0.1:0"}
	for name, change := range map[string]func(*Config){
		"no hub":           func(c *Config) { c.Hub = nil },
		"no checker":       func(c *Config) { c.Checker = nil },
		"short passphrase": func(c *Config) { c.Passphrase = "short" },
		"bad address":      func(c *Config) { c.Listen = "127.0.0.1" },
		"address in use":   func(c *Config) { c.Listen = h.srv.Addr() },
	} {
		c := good
		change(&c)
		_, err := New(c)
		require.Error(t, err, name)
	}
}

// watcher plays a stream as a caller would that acknowledges nothing.
func (h *house) watcher(streamID string) (got *arrivals) {
	h.t.Helper()
	x, err := h.connect(streamID, "")
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = x.send(x.shutdown()); _ = x.socket.Close() })
	got = &arrivals{over: make(chan struct{})}
	go func() {
		defer close(got.over)
		d, b := ts.New(got), make([]byte, maxDatagram)
		for {
			_ = x.socket.SetReadDeadline(time.Now().Add(waitAtMost))
			n, err := x.socket.Read(b)
			if err != nil || x.handle(b[:n]) {
				return
			}
			if b[0]&0x80 == 0 {
				_, _ = d.Write(b[16:n])
			}
		}
	}()
	return got
}

// arrivals counts what a watcher gets.
type arrivals struct {
	video, audio atomic.Int32
	last         atomic.Int64
	back         atomic.Int32 // time stamps that went back
	over         chan struct{}
}

func (a *arrivals) Program([]ts.Stream) error { return nil }

func (a *arrivals) Unit(u ts.Unit) error {
	if u.Stream.Kind == ts.H264 || u.Stream.Kind == ts.H265 {
		a.video.Add(1)
		if u.DTS <= a.last.Swap(u.DTS) {
			a.back.Add(1)
		}
	} else {
		a.audio.Add(1)
	}
	return nil
}

// A player goes on when the picture's size changes, and is told to connect
// again when the codec does.
func TestPlayWhenCodecsChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	p, err := h.hub.Publish(auth.System(auth.Publish, "film"), source{&session{}}, hub.Options{})
	require.NoError(t, err)
	defer p.Close(hub.ErrEnded)
	audio, err := p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: opusRate, Channels: 2})
	require.NoError(t, err)
	var n uint32
	quit := func() {}
	defer func() { quit() }()
	write := func(c media.Codec, sets ...[]byte) { // until it is called again
		quit()
		in, err := p.AddTrack(media.Video, c)
		require.NoError(t, err)
		stop, done := make(chan struct{}), make(chan struct{})
		quit = sync.OnceFunc(func() { close(stop); <-done })
		go func() {
			defer close(done)
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for i := 0; ; i++ {
				units := [][]byte{{0x41, 1, 2, 3}}
				if i%5 == 0 {
					units = append(slices.Clone(sets), []byte{0x65, 1, 2})
				}
				_ = in.WriteFrame(media.Frame{Timestamp: n * 900, Units: units, Keyframe: i%5 == 0}, time.Now())
				_ = audio.WriteFrame(media.Frame{Timestamp: n * 480, Units: [][]byte{{0xfc, 1}}, Keyframe: true}, time.Now())
				n++
				select {
				case <-stop:
					return
				case <-tick.C:
				}
			}
		}()
	}
	small, pps := sps(), []byte{0x68, 0xee, 0x3c, 0x80}
	write(media.H264Codec(small, pps), small, pps)
	got := h.watcher("read:film")
	require.Eventually(t, func() bool { return got.video.Load() > 10 && got.audio.Load() > 10 }, waitAtMost, 5*time.Millisecond)
	before := got.video.Load()
	other := append(slices.Clone(small[:len(small)-1]), 0x49)
	write(media.H264Codec(other, pps), other, pps)
	require.Eventually(t, func() bool { return got.video.Load() > before+20 }, waitAtMost, 5*time.Millisecond)
	require.Zero(t, got.back.Load())
	_, err = p.AddTrack(media.Video, media.Codec{Name: media.VP8, ClockRate: 90_000})
	require.NoError(t, err)
	<-got.over
	h.logged("playing ended", "stream=film")
}

func TestPlayRefusesWhatCannotBeCarried(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	p, err := h.hub.Publish(auth.System(auth.Publish, "film"), source{&session{}}, hub.Options{})
	require.NoError(t, err)
	defer p.Close(hub.ErrEnded)
	_, err = p.AddTrack(media.Video, media.Codec{Name: media.VP8, ClockRate: 90_000})
	require.NoError(t, err)
	_, err = h.connect("read:film", "")
	var refused *rejectedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, gosrt.REJX_NOTSUP_MEDIA, gosrt.RejectionReason(refused.code))
	h.logged("srt: refused", "VP8", "stream=film")
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	address := c.LocalAddr().String()
	require.NoError(t, c.Close())
	_, err = connect(t.Context(), call{dial: (&net.Dialer{}).DialContext, address: address})
	require.True(t, errors.Is(err, errNoListener) || errors.Is(err, errNoAnswer), err)
}

func near() netip.Addr     { return netip.MustParseAddr("192.0.2.7") }
func loopback() netip.Addr { return netip.MustParseAddr("127.0.0.1") }
