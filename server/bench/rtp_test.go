package bench

import (
	"bytes"
	"testing"

	"github.com/pion/rtp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadRTP(t *testing.T) {
	t.Parallel()
	packet := rtp.Packet{Payload: []byte("abc"), Header: rtp.Header{
		Version: 2, Marker: true, PayloadType: 102, SequenceNumber: 65000, Timestamp: 1 << 31, SSRC: 7, CSRC: []uint32{1, 2},
	}}
	require.NoError(t, packet.SetExtension(3, []byte{9}))
	packet.Padding, packet.PaddingSize = true, 5
	b, err := packet.Marshal()
	require.NoError(t, err)
	h, ok := readRTP(b)
	require.True(t, ok)
	assert.Equal(t, rtpHeader{ts: 1 << 31, ssrc: 7, seq: 65000, pt: 102, marker: true}, h)
	assert.Equal(t, []byte("abc"), rtpPayload(b))
	for name, b := range map[string][]byte{
		"short": b[:11], "STUN": append([]byte{0, 1}, b[2:]...), "RTCP": append([]byte{0x80, 200}, b[2:]...), "empty": nil,
	} {
		_, ok := readRTP(b)
		assert.False(t, ok, name)
	}
	cut := bytes.Clone(b[:12])
	assert.Nil(t, rtpPayload(cut), "header longer than the packet")
}

func FuzzReceiver(f *testing.F) {
	for _, p := range tinyClip().Frames[0].Payloads {
		b, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: ptVideo, Marker: true}, Payload: p}).Marshal()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Add([]byte{0xff, 102, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		r := testReceiver()
		r.packet(b, 1)
		r.decrypted(b)
		got := r.read(2)
		require.LessOrEqual(t, got.video.Received, got.video.Expected)
		require.LessOrEqual(t, got.frames.whole, uint64(1))
	})
}
