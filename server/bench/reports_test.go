package bench

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReceiverReport(t *testing.T) {
	t.Parallel()
	r := testReceiver()
	feed(t, r, 100, func(f, p int) bool { return f < 50 || f >= 60 })
	sr, err := rtcp.Marshal([]rtcp.Packet{&rtcp.SenderReport{SSRC: 5, NTPTime: 0x1111_2222_3333_4444}})
	require.NoError(t, err)
	r.noteSenderReport(sr, 1000*ms)
	block := func(now int64) rtcp.ReceptionReport {
		packets, err := rtcp.Unmarshal(r.appendReport(nil, now))
		require.NoError(t, err)
		require.Len(t, packets, 1)
		rr := packets[0].(*rtcp.ReceiverReport)
		require.Len(t, rr.Reports, 1, "there was no audio")
		return rr.Reports[0]
	}
	got := block(1500 * ms)
	assert.Equal(t, uint32(5), got.SSRC)
	assert.Equal(t, uint32(r.video.counts().Lost), got.TotalLost)
	assert.Equal(t, uint8(got.TotalLost<<8/uint32(r.video.counts().Expected)), got.FractionLost)
	assert.Equal(t, uint32(0x2222_3333), got.LastSenderReport)
	assert.Equal(t, uint32(1<<15), got.Delay, "half a second")
	r.mark(0)
	again := block(1500 * ms)
	assert.Equal(t, got.TotalLost, again.TotalLost, "counted from the start of the stream")
	assert.Zero(t, again.FractionLost, "nothing was lost since the last report")
}

func TestReceivingAllocatesNothing(t *testing.T) {
	r := testReceiver()
	r.transportID = 3
	h := rtp.Header{Version: 2, PayloadType: ptVideo, Marker: true, SSRC: 5}
	require.NoError(t, h.SetExtension(3, []byte{0, 0}))
	b, err := (&rtp.Packet{Header: h, Payload: make([]byte, 1000)}).Marshal()
	require.NoError(t, err)
	seq, out := uint16(0), make([]byte, 0, 1500)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		seq++
		binary.BigEndian.PutUint16(b[2:], seq)
		binary.BigEndian.PutUint32(b[4:], uint32(seq)*3000)
		binary.BigEndian.PutUint16(b[17:], seq)
		r.packet(b, int64(seq)*ms)
		if seq%100 == 0 {
			out = r.appendFeedback(r.appendReport(out[:0], 0), true)
		}
	}))
	assert.NotZero(t, r.sent.feedback)
}
