package rtc

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Everything that was opened is gone after 50 publications, however each ended.
func TestNothingLeaks(t *testing.T) {
	h := newHouse(t, true)
	http.DefaultClient.CloseIdleConnections()
	ignore := goleak.IgnoreCurrent()
	for i := range 50 {
		c := newCaster(t, webrtc.MimeTypeVP8)
		path := fmt.Sprintf("/whip/s%d", i)
		res, answer := h.post(path, "", c.offer)
		require.Equal(t, http.StatusCreated, res.StatusCode, answer)
		if i%10 == 5 || i == 0 { // the others never connect
			accept(t, c.pc, answer)
			h.live(fmt.Sprintf("s%d", i), 2)
		}
		if i%10 != 0 {
			res, _ = h.do(call{method: "DELETE", path: res.Header.Get("Location")})
			require.Equal(t, http.StatusOK, res.StatusCode)
		}
		require.NoError(t, c.pc.Close())
	}
	h.stop()
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, ignore)
}

// A viewer that asks for a keyframe a thousand times a second costs the
// publisher no more than two a second.
func TestKeyframeRequestsAreMerged(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := newCaster(t, webrtc.MimeTypeVP8)
	var asked atomic.Int32
	go func() {
		for {
			packets, _, err := c.send.ReadRTCP()
			if err != nil {
				return
			}
			for _, p := range packets {
				if _, ok := p.(*rtcp.PictureLossIndication); ok {
					asked.Add(1)
				}
			}
		}
	}()
	start := time.Now()
	h.publish(c, "s", "")
	h.live("s", 2)
	// No keyframe ever comes, so that no request is answered.
	quit := make(chan struct{})
	var casting sync.WaitGroup
	casting.Go(func() {
		for seq := uint16(1); ; seq++ {
			select {
			case <-quit:
				return
			case <-time.After(5 * time.Millisecond):
				if seq%10 != 0 {
					_ = c.video.WriteRTP(vp8(seq))
				}
			}
		}
	})
	w := newWatcher(t)
	res, answer := h.post("/whep/s", "", offerOf(t, w))
	require.Equal(t, http.StatusCreated, res.StatusCode, answer)
	accept(t, w, answer)
	require.Eventually(t, func() bool { return w.ConnectionState() == webrtc.PeerConnectionStateConnected }, patience, time.Millisecond)
	for range 1000 {
		_ = w.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: videoSSRC(t, answer)}})
		time.Sleep(time.Millisecond)
	}
	close(quit)
	casting.Wait()
	got := float64(asked.Load())
	assert.Positive(t, got)
	assert.LessOrEqual(t, got, 2*time.Since(start).Seconds()+1)
}

// videoSSRC reads the SSRC that an answer announces for video.
func videoSSRC(t *testing.T, answer string) uint32 {
	t.Helper()
	_, video, ok := strings.Cut(answer, "m=video")
	require.True(t, ok)
	_, line, ok := strings.Cut(video, "a=ssrc:")
	require.True(t, ok, answer)
	var ssrc uint32
	_, err := fmt.Sscan(line, &ssrc)
	require.NoError(t, err)
	return ssrc
}

// garbage is what no encoder sends: payloads and headers that lie.
func garbage(seq uint16) *rtp.Packet {
	p := vp8(seq)
	switch seq % 8 {
	case 0:
		p.Payload = nil
	case 1:
		p.Payload = []byte{0xff}
	case 2:
		p.Payload = make([]byte, 1)
	case 3:
		p.Payload = make([]byte, 1180)
		_, _ = rand.Read(p.Payload)
	case 4:
		p.Payload = []byte{0x90, 0x80} // VP8 descriptor cut short
	case 5:
		p.Extension, p.ExtensionProfile = true, 0xbede
		p.Extensions = []rtp.Extension{}
		p.Payload = []byte{0x10}
	case 6:
		p.Padding, p.PaddingSize = true, 200
		p.Payload = nil
	case 7:
		p.SequenceNumber += 20000
		p.Timestamp ^= 0xdeadbeef
	}
	return p
}

// One publisher's garbage harms nobody else's stream.
func TestGarbageHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	good, bad := newCaster(t, webrtc.MimeTypeVP8), newCaster(t, webrtc.MimeTypeVP8)
	h.publish(good, "good", "")
	h.publish(bad, "bad", "")
	h.live("good", 2)
	h.live("bad", 2)
	good.cast(t)
	w := newWatcher(t)
	wait := sees(t, w, 100)
	res, answer := h.post("/whep/good", "", offerOf(t, w))
	require.Equal(t, http.StatusCreated, res.StatusCode)
	accept(t, w, answer)
	for seq := range uint16(2000) {
		_ = bad.video.WriteRTP(garbage(seq))
		if seq%50 == 0 {
			raw := rtcp.RawPacket([]byte{0x80, 200, 0xff, 0xff, 1, 2, 3, 4})
			_ = bad.pc.WriteRTCP([]rtcp.Packet{&raw})
			time.Sleep(time.Millisecond)
		}
	}
	wait()
	assert.Equal(t, hub.Live, h.hub.Info("good").State)
}

// Offers as bombs are refused quickly and leave nothing.
func TestBombs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	good := newCaster(t, webrtc.MimeTypeVP8).offer
	for name, bomb := range map[string]string{
		"2,000 m-lines":    good + strings.Repeat("m=video 9 RTP 1\r\na=x\r\n", 2000),
		"5,000 candidates": good + strings.Repeat("a=candidate:1 1 udp 2130706431 192.0.2.1 9 typ host\r\n", 5000),
		"giant line":       good + "a=x:" + strings.Repeat("x", 50000) + "\r\n",
		"giant":            strings.Repeat("x", 10<<20),
	} {
		res, body := h.post("/whip/s", "", bomb)
		assert.GreaterOrEqual(t, res.StatusCode, 400, name)
		assert.Less(t, res.StatusCode, 500, name)
		assert.Less(t, len(body), 1000)
	}
	assert.Zero(t, h.srv.sessions.len())
}

// raw is a track whose packets go out as they are, with any SSRC.
type raw struct {
	*webrtc.TrackLocalStaticRTP
	out chan webrtc.TrackLocalWriter
}

func (r *raw) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	r.out <- c.WriteStream()
	return r.TrackLocalStaticRTP.Bind(c)
}

// A publisher that uses ever new SSRCs is closed.
func TestTooManySSRCs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	c := &caster{pc: newPeer(t)}
	track, err := webrtc.NewTrackLocalStaticRTP(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeVP8}, "video", "cast")
	require.NoError(t, err)
	r := &raw{track, make(chan webrtc.TrackLocalWriter, 1)}
	_, err = c.pc.AddTransceiverFromTrack(r, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendonly})
	require.NoError(t, err)
	c.offer = offerOf(t, c.pc)
	h.publish(c, "s", "")
	h.live("s", 1)
	out := <-r.out
	require.Eventually(t, func() bool {
		for i := range uint32(offer.MaxSSRCs + 1) {
			p := vp8(uint16(i))
			p.SSRC, p.PayloadType = 1000+i, 96
			_, _ = out.WriteRTP(&p.Header, p.Payload)
		}
		return h.srv.sessions.len() == 0
	}, patience, 10*time.Millisecond)
	assert.Equal(t, hub.Away, h.hub.Info("s").State)
}
