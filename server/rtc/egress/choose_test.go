package egress

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/stretchr/testify/require"
)

type silent struct{}

func (silent) RequestKeyframe(*hub.Track, int) {}
func (silent) Close(error)                     {}

// A viewer is turned away for B-frames that came, and not for those that the
// encoder only says it may send.
func TestNobodyIsTurnedAwayForASuspicion(t *testing.T) {
	t.Parallel()
	sps, err := hex.DecodeString("6764001eacd940a02ff970110000030001000003003c0f162d96") // of x264 with B-frames
	require.NoError(t, err)
	p, err := hub.New(hub.Config{}).Publish(auth.System(auth.Publish, "s"), silent{}, hub.Options{})
	require.NoError(t, err)
	in, err := p.AddTrack(media.Video, media.Codec{Name: media.H264, ClockRate: 90_000})
	require.NoError(t, err)
	payloads := []payload{{codec: media.Codec{Name: media.H264, ClockRate: 90_000}, pt: 96}}
	write := func(stamp uint32, keyframe bool, units ...[]byte) {
		require.NoError(t, in.WriteFrame(media.Frame{Timestamp: stamp, Keyframe: keyframe, Units: units}, time.Now()))
	}
	write(0, true, sps, []byte{0x68, 0xee}, []byte{0x65, 0x88, 0x84})
	require.True(t, in.Track().Traits().BFrames)
	require.NotNil(t, choose(p.Stream(), media.Video, payloads))
	write(6000, false, []byte{0x41, 0x9a, 0x02})
	write(3000, false, []byte{0x01, 0x9e, 0x02})
	require.Nil(t, choose(p.Stream(), media.Video, payloads), "now they have come")
	p.Close(hub.ErrEnded)
}
