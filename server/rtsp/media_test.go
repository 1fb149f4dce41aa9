package rtsp

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
)

// Codecs whose packets are too large or cannot be cut become frames.
func TestOtherCodecs(t *testing.T) {
	t.Parallel()
	realtime := []string{"-deadline", "realtime", "-cpu-used", "8", "-g", "10", "-b:v", "1M"}
	for name, c := range map[string]struct {
		args  []string
		codec string
	}{
		"VP8":  {append([]string{"-c:v", "libvpx"}, realtime...), media.VP8},
		"VP9":  {append([]string{"-c:v", "libvpx-vp9", "-strict", "experimental"}, realtime...), media.VP9},
		"H265": {[]string{"-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "10", "-x265-params", "log-level=error"}, media.H265},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, true)
			publish(t, h.url+"/harbour", "tcp", picture, c.args)
			h.live("harbour", 1)
			track := h.track("harbour", media.Video)
			require.Equal(t, c.codec, track.Codec().Name)
			got := &counter{}
			defer track.Attach(got)()
			require.NoError(t, decode(t, h.url+"/harbour", "tcp", 12).wait(t))
			assert.True(t, got.seen(func(c *counter) bool { return c.largest <= media.MaxPayload && c.gaps == 0 })(), "%+v", got)
			require.Eventually(t, func() bool { _, ok := track.Ring().Keyframe(); return ok }, patience, time.Millisecond, "viewers find where to begin")
		})
	}
}

// copier writes what one track has into another, as frames.
type copier struct {
	to *hub.Input
}

func (c *copier) WriteFrame(f *media.Frame) { _ = c.to.WriteFrame(*f, time.Unix(0, f.Arrival)) }
func (c *copier) Close(error)               {}

// A source that writes frames, and says what it has in its keyframes only, is
// described with its parameter sets.
func TestPlayFrames(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", "tcp", picture, sound, h264, []string{"-c:a", "aac"})
	h.live("harbour", 2)
	pub, err := h.hub.Publish(auth.System(auth.Publish, "copy"), source{}, hub.Options{Proto: "test"})
	require.NoError(t, err)
	for k, codec := range map[media.Kind]media.Codec{
		media.Video: media.H264Codec(nil, nil), media.Audio: h.track("harbour", media.Audio).Codec(),
	} {
		in, err := pub.AddTrack(k, codec)
		require.NoError(t, err)
		detach, err := h.track("harbour", k).AttachFrames(&copier{to: in})
		require.NoError(t, err)
		defer detach()
	}
	w := h.wire()
	res := w.do("DESCRIBE", h.url+"/copy", nil, "")
	require.Equal(t, base.StatusOK, res.StatusCode)
	assert.Contains(t, string(res.Body), "sprop-parameter-sets")
	assert.Contains(t, string(res.Body), "mpeg4-generic/48000")
	require.NoError(t, decode(t, h.url+"/copy", "tcp", 10).wait(t))
	require.NoError(t, decode(t, h.url+"/copy", "udp", 10).wait(t))
}

// So is one that writes packets, like a browser.
func TestPlayPackets(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	pub, err := h.hub.Publish(auth.System(auth.Publish, "harbour"), source{}, hub.Options{Proto: "test"})
	require.NoError(t, err)
	in, err := pub.AddTrack(media.Video, media.H264Codec(nil, nil))
	require.NoError(t, err)
	for i, payload := range [][]byte{testSPS, testPPS, {0x65, 1, 2, 3}, {0x41, 1, 2}} {
		in.WritePacket(hub.Incoming{Seq: uint16(i), Timestamp: uint32(max(i-2, 0)) * 3600, Marker: i > 1, Arrival: time.Now(), Payload: payload})
	}
	res := h.wire().do("DESCRIBE", h.url+"/harbour", nil, "")
	require.Equal(t, base.StatusOK, res.StatusCode)
	assert.Contains(t, string(res.Body), "sprop-parameter-sets=Z0LADdkBQZ")
	assert.Equal(t, base.StatusNotFound, h.wire().do("DESCRIBE", h.url+"/quay", nil, "").StatusCode)
}

// Who plays is sent away when the codec changes, since what was described is
// not true any more.
func TestCodecChanges(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	h.feed("harbour")
	w, url := h.wire(), h.url+"/harbour"
	require.Equal(t, base.StatusOK, w.do("DESCRIBE", url, nil, "").StatusCode)
	res := w.do("SETUP", url+"/trackID=0", base.Header{"Transport": {"RTP/AVP/TCP;unicast;interleaved=0-1"}}, "")
	require.Equal(t, base.StatusOK, res.StatusCode)
	pub, err := h.hub.Publish(auth.System(auth.Publish, "harbour"), source{}, hub.Options{Proto: "test"})
	require.NoError(t, err)
	_, err = pub.AddTrack(media.Video, media.Codec{Name: media.VP8, ClockRate: videoClock})
	require.NoError(t, err)
	w.closed()
	res = h.wire().do("DESCRIBE", url, nil, "")
	require.Equal(t, base.StatusOK, res.StatusCode)
	assert.Contains(t, string(res.Body), "VP8")
	require.Eventually(t, func() bool {
		h.srv.stages.mu.Lock()
		defer h.srv.stages.mu.Unlock()
		return len(h.srv.stages.list) <= 1
	}, patience, time.Millisecond)
}

// A publisher that comes back with the same tracks, one after the other, keeps
// its players.
func TestPublisherComesBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	codecs := map[media.Kind]media.Codec{
		media.Video: media.H264Codec(testSPS, testPPS), media.Audio: {Name: media.PCMU, ClockRate: 8000},
	}
	var video *hub.Input
	come := func() {
		pub, err := h.hub.Publish(auth.System(auth.Publish, "harbour"), source{}, hub.Options{Proto: "test"})
		require.NoError(t, err)
		for _, k := range []media.Kind{media.Audio, media.Video} {
			in, err := pub.AddTrack(k, codecs[k])
			require.NoError(t, err)
			video = in
		}
	}
	come()
	w, url := h.wire(), h.url+"/harbour"
	require.Equal(t, base.StatusOK, w.do("DESCRIBE", url, nil, "").StatusCode)
	res := w.do("SETUP", url+"/trackID=0", base.Header{"Transport": {"RTP/AVP/TCP;unicast;interleaved=0-1"}}, "")
	require.Equal(t, base.StatusOK, res.StatusCode)
	session := base.Header{"Session": {strings.Split(res.Header["Session"][0], ";")[0]}}
	require.Equal(t, base.StatusOK, w.do("PLAY", url, session, "").StatusCode)
	come()
	require.Never(t, func() bool { return h.log.count("rtsp player ended") > 0 }, changeTime+100*time.Millisecond, 10*time.Millisecond)
	video.WritePacket(hub.Incoming{Seq: 1, Timestamp: 1, Marker: true, Arrival: time.Now(), Payload: []byte{0x65, 0x88, 2}})
	f := base.InterleavedFrame{Channel: 1}
	for f.Channel != 0 { // RTCP comes too
		require.NoError(t, f.Unmarshal(w.in))
	}
}

func TestTokenExpires(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	h.key("harbour", true)
	w := h.wire()
	token, err := h.auth.NewToken(auth.Publish, "harbour", 2*time.Second)
	require.NoError(t, err)
	w.record(h, "harbour?token="+token, recordTCP)
	w.closed()
	require.Eventually(t, func() bool { return h.log.count("the token's time is over") == 1 }, patience, time.Millisecond)
}

// intake makes an intake of one offer outside of any session.
func (h *house) intake(f format.Format, kind media.Kind) (*receiver, *hub.Track) {
	h.t.Helper()
	c, is := codecOf(f)
	require.True(h.t, is)
	in := newIntake(slog.New(slog.DiscardHandler), &metric.Counter{}, []Offer{{Kind: kind, Codec: c, Name: c.Name, Carried: true, format: f}},
		func() (*hub.Publication, error) {
			return h.hub.Publish(auth.System(auth.Publish, "harbour"), source{}, hub.Options{Proto: "test"})
		})
	require.NoError(h.t, in.open())
	return in.tracks[0], h.track("harbour", kind)
}

func packetAt(seq uint16, stamp uint32, payload []byte) *rtp.Packet {
	return &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq, Timestamp: stamp, SSRC: 7, Marker: true}, Payload: payload}
}

// The source's own clock keeps its tracks in step.
func TestSenderReport(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	r, track := h.intake(&format.H264{PacketizationMode: 1}, media.Video)
	r.rtcp(&rtcp.SenderReport{SSRC: 7, NTPTime: 1 << 32, RTPTime: 1}) // before any packet
	r.rtp(packetAt(1, 90_000, []byte{0x65, 1, 2}))
	at, known := track.TimeOf(90_000)
	require.True(t, known)
	r.rtcp(&rtcp.SenderReport{SSRC: 8, NTPTime: 2 << 32, RTPTime: 90_000}) // of another
	r.rtcp(&rtcp.SenderReport{SSRC: 7, NTPTime: 0, RTPTime: 0})            // of a camera without a clock
	r.rtcp(&rtcp.ReceiverReport{})
	same, _ := track.TimeOf(90_000)
	require.Equal(t, at, same)
	r.rtcp(&rtcp.SenderReport{SSRC: 7, NTPTime: 3_900_000_000 << 32, RTPTime: 180_000})
	reported, _ := track.TimeOf(180_000)
	assert.WithinDuration(t, time.Now(), reported, time.Second, "its clock is mapped to ours")
}

// Parameter sets, cut packets and what was lost leave one line of numbers.
func TestNumbers(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	r, track := h.intake(&format.H264{PacketizationMode: 1, SPS: testSPS, PPS: testPPS}, media.Video)
	got := &counter{}
	defer track.Attach(got)()
	large := append([]byte{0x65}, make([]byte, 3000)...)
	r.rtp(packetAt(65535, 0, large)) // sets and 3 parts
	r.rtp(packetAt(0, 3600, []byte{0x41, 1}))
	r.rtp(packetAt(1, 7200, large))
	require.True(t, got.seen(func(c *counter) bool { return c.packets == 9 && c.gaps == 0 && c.largest <= media.MaxPayload })(), "%+v", got)
	r.rtp(packetAt(3, 14400, []byte{0x41, 1}))
	assert.True(t, got.seen(func(c *counter) bool { return c.packets == 10 && c.gaps == 1 })(), "one is lost")
}

// AAC in another mode than everybody's is written anew in everybody's.
func TestUnusualAAC(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	r, track := h.intake(&format.MPEG4Audio{
		Config:     &mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2},
		SizeLength: 6, IndexLength: 2, IndexDeltaLength: 2,
	}, media.Audio)
	got := &counter{}
	detach, err := track.AttachFrames(got)
	require.NoError(t, err)
	defer detach()
	packets := &counter{}
	defer track.Attach(packets)()
	r.rtp(packetAt(1, 0, []byte{0, 8, 4 << 2, 1, 2, 3, 4}))
	r.rtp(packetAt(2, 1024, []byte{0, 8, 4 << 2, 1, 2, 3, 4}))
	require.True(t, got.seen(func(c *counter) bool { return c.frames == 2 })())
	require.True(t, packets.seen(func(c *counter) bool { return c.packets == 2 && c.largest == 8 })(), "%+v", packets)
}

// A packet costs the server's own code no memory.
func TestPacketsCostNoMemory(t *testing.T) {
	h := newHouse(t, true)
	r, _ := h.intake(&format.H264{PacketizationMode: 1, SPS: testSPS, PPS: testPPS}, media.Video)
	seq, payload := uint16(0), append([]byte{0x7c, 1}, make([]byte, 1000)...)
	p := packetAt(0, 0, payload)
	allocated := testing.AllocsPerRun(5000, func() {
		seq++
		p.SequenceNumber, p.Timestamp = seq, uint32(seq)*10
		r.rtp(p)
	})
	assert.Less(t, allocated, 0.1, "the ring takes a chunk for some 48 packets")
}
