package ingest

import (
	"regexp"
	"testing"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// repair is a client's RTX stream, numbered for the whole transport.
type repair struct {
	interceptor.NoOp
	ssrc    uint32
	payload uint8
	writer  interceptor.RTPWriter
	bound   chan struct{} // closed when there is one
}

func (r *repair) NewInterceptor(string) (interceptor.Interceptor, error) { return r, nil }

func (r *repair) BindLocalStream(info *interceptor.StreamInfo, w interceptor.RTPWriter) interceptor.RTPWriter {
	r.ssrc, r.payload, r.writer = info.SSRCRetransmission, info.PayloadTypeRetransmission, w
	close(r.bound)
	return w
}

// wait waits until the client may send, which is after it is connected.
func (r *repair) wait(t *testing.T) {
	t.Helper()
	select {
	case <-r.bound:
	case <-time.After(patience):
		t.Fatal("the client does not send")
	}
}

// probe sends padding.
func (r *repair) probe(seq uint16) error {
	h := &rtp.Header{Version: 2, PayloadType: r.payload, SequenceNumber: seq, SSRC: r.ssrc, Padding: true, PaddingSize: 200}
	_, err := r.writer.Write(h, nil, nil)
	return err
}

// Browsers probe the path before they have a picture, and are told at once when
// their probes came: a browser that is told late takes the path for slow.
func TestProbesBeforeThePictureAreReported(t *testing.T) {
	t.Parallel()
	s := newStudio(t, time.Hour)
	s.connected(t)
	s.repair.wait(t)
	transport := s.pc.GetSenders()[0].Transport()
	reports, err := webrtc.NewAPI().NewRTPReceiver(webrtc.RTPCodecTypeVideo, transport)
	require.NoError(t, err)
	defer func() { _ = reports.Stop() }()
	require.NoError(t, reports.Receive(webrtc.RTPReceiveParameters{Encodings: []webrtc.RTPDecodingParameters{
		{RTPCodingParameters: webrtc.RTPCodingParameters{SSRC: webrtc.SSRC(s.repair.ssrc)}},
	}}))
	told := make(chan uint16, 1)
	go func() {
		packets, _, err := reports.ReadRTCP()
		for ; err == nil; packets, _, err = reports.ReadRTCP() {
			for _, p := range packets {
				if r, ok := p.(*rtcp.TransportLayerCC); ok && r.MediaSSRC == s.repair.ssrc {
					told <- r.PacketStatusCount
					return
				}
			}
		}
	}()
	for seq := range uint16(5) {
		require.NoError(t, s.repair.probe(seq))
	}
	select {
	case n := <-told:
		require.Positive(t, n)
	case <-time.After(patience):
		t.Fatal("nothing is said of the probes")
	}
}

// A client need not say which SSRC is its picture. Then what has the type of
// pictures is, and not what it sends first.
func TestAnotherTypeBeforeAnUndeclaredPicture(t *testing.T) {
	t.Parallel()
	s := prepareStudio(t, time.Hour, patience, func(sdp string) string {
		return regexp.MustCompile("a=ssrc.*\r\n").ReplaceAllString(sdp, "")
	})
	s.accept(t)
	s.connected(t)
	s.repair.wait(t)
	s.repair.ssrc, s.repair.payload = 77, 35
	for seq := range uint16(20) {
		require.NoError(t, s.repair.probe(seq))
	}
	s.sends(t)
	require.NotEqual(t, uint32(77), s.pub.tracks[0].ssrc.Load())
}
