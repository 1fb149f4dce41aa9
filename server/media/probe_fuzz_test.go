package media_test

import (
	"encoding/binary"
	"testing"

	"github.com/heliograph/heliograph/server/media"
)

// FuzzProbe throws packets and frames of any bytes at the probe of each codec:
// it must neither fail nor believe what cannot be.
func FuzzProbe(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, codec := range append(videoCodecs[:], media.AAC, media.Opus, media.MJPEG) {
			c := media.Codec{Name: codec, ClockRate: 90_000}
			packets, frames := media.NewProbe(c), media.NewProbe(c)
			ts, at := uint32(0), int64(0)
			for _, piece := range cut(data) {
				if len(piece) > 5 { // the head moves the clocks
					ts += uint32(int32(binary.BigEndian.Uint32(piece)))
					at += int64(piece[4]) << 24
					piece = piece[5:]
				}
				_, key := media.Inspect(codec, piece)
				packets.Packet(ts, at, piece, key)
				frames.Frame(&media.Frame{Timestamp: ts, Arrival: at, Units: [][]byte{piece}, Keyframe: key})
			}
			for _, got := range []media.Traits{packets.Traits(), frames.Traits()} {
				if got.Width < 0 || got.Width > 16_384 || got.Height < 0 || got.Height > 16_384 {
					t.Fatalf("%s: %d x %d", codec, got.Width, got.Height)
				}
				if got.FPS < 0 || got.Bitrate < 0 || got.KeyframeInterval < 0 {
					t.Fatalf("%s: %+v", codec, got)
				}
				media.Diagnose(media.Video, c, got)
			}
		}
	})
}

// FuzzShape throws bytes at the parsers of parameter sets alone.
func FuzzShape(f *testing.F) {
	f.Fuzz(func(t *testing.T, set []byte) {
		for _, head := range [][]byte{{0x67}, {0x42, 0x01}, {0x08}, {0x0a}, {0x10, 0, 0, 0x9d, 1, 0x2a}, {0x08, 0x82, 0x49, 0x83, 0x42}} {
			unit := append(append([]byte{}, head...), set...)
			for _, codec := range videoCodecs {
				p := media.NewProbe(media.Codec{Name: codec, ClockRate: 90_000})
				p.Packet(1, 1, unit, true)
				p.Frame(&media.Frame{Units: [][]byte{unit}, Keyframe: true})
			}
		}
	})
}
