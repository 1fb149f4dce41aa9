package media_test

import (
	"testing"

	"github.com/heliograph/heliograph/server/media"
)

var videoCodecs = [...]string{media.H264, media.H265, media.VP8, media.VP9, media.AV1}

// FuzzInspect throws any payload at every parser: none may panic, read beyond
// the payload or change it. In AV1 and VP8 a keyframe shows at
// its start only.
func FuzzInspect(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		// A slice without spare room makes a read beyond the end a panic.
		exact := append(make([]byte, 0, len(data)), data...)[:len(data):len(data)]
		for _, codec := range videoCodecs {
			start, key := media.Inspect(codec, exact)
			if (codec == media.AV1 || codec == media.VP8) && key && !start {
				t.Fatalf("%s: a keyframe without a start", codec)
			}
			if (start || key) && len(data) < 2 {
				t.Fatalf("%s: %d bytes cannot say so", codec, len(data))
			}
		}
		if string(exact) != string(data) {
			t.Fatal("the payload was changed")
		}
	})
}
