package rtmp

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
)

// nals frames NAL units as a message of H264 does.
func nals(units ...[]byte) []byte {
	b := []byte{0x17, 1, 0, 0, 0}
	for _, u := range units {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(u))), u...)
	}
	return b
}

// A frame that is held is counted by its units, so it must not hold a message
// that is a thousand times larger: 1,200 of them would be 9 GB.
func TestFramesHoldNoMoreThanTheyAre(t *testing.T) {
	t.Parallel()
	sps := []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xf0, 0x3c, 0x60, 0xc9, 0x20}
	config := append([]byte{0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, byte(len(sps))}, sps...)
	config = append(config, 1, 0, 4, 0x68, 0xcb, 0x8c, 0xb2)
	slice, large := []byte{0x65, 0x88, 0x84, 1}, make([]byte, 1<<20)
	large[0] = 9 // a delimiter
	small := nals(slice)
	aggregate := func(body []byte) []byte {
		head := []byte{chunk.Video, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body)), 0, 0, 0, 0, 0, 0, 0}
		return append(append(append(head, body...), 0, 0, 0, 0), append([]byte{99, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0}, large...)...)
	}
	// Enhanced RTMP: many tracks of one codec, the first of them small.
	track := func(number byte, body []byte) []byte {
		body = append([]byte{0, 0, 0}, body...)
		return append([]byte{number, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
	}
	multi := append(append([]byte{0x96, 0x11, 'a', 'v', 'c', '1'}, track(0, small[5:])...), track(1, nals(large)[5:])...)

	for name, m := range map[string]chunk.Message{
		"left out":    {Type: chunk.Video, Body: nals(large, slice)},
		"other track": {Type: chunk.Video, Body: multi},
		"aggregate":   {Type: chunk.Aggregate, Body: aggregate(small)},
	} {
		p, err := hub.New(hub.Config{}).Publish(auth.System(auth.Publish, "s"), &publisher{session: unused(t)}, hub.Options{})
		require.NoError(t, err)
		in := newIntake(&session{server: &Server{log: slog.New(slog.DiscardHandler)}}, p)
		in.expects[media.Video] = true
		require.NoError(t, in.message(chunk.Message{Type: chunk.Video, Body: config}, time.Now()))
		require.NoError(t, in.message(m, time.Now()))
		clear(m.Body)
		held := &kept{}
		_, err = p.Stream().Track(media.Video).AttachFrames(held)
		require.NoError(t, err)
		require.Len(t, held.frames, 1, name)
		require.True(t, bytes.Equal(slice, held.frames[0].Units[len(held.frames[0].Units)-1]), "%s: it is a copy", name)
		p.Close(hub.ErrEnded)
	}
}

// unused is a session whose connection nobody uses.
func unused(t *testing.T) *session {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = theirs.Close() })
	return &session{conn: newConn(ours)}
}

type kept struct{ frames []*media.Frame }

func (k *kept) WriteFrame(f *media.Frame) { k.frames = append(k.frames, f) }
func (k *kept) Close(error)               {}
