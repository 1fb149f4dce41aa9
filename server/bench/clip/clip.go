package clip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pion/webrtc/v4/pkg/media/oggreader"
)

// Rates of a clip.
const (
	VideoClock  = 90000 // RTP ticks per second
	AudioClock  = 48000 // RTP ticks per second
	OpusFrameMs = 20

	framesPerSecond = 30
	maxBytes        = 256 << 20
)

// Clip is what the publisher sends, over and over.
type Clip struct {
	Frames []Frame
	Opus   [][]byte // frames of 20 ms
	FPS    int
}

// NextKey is the index of the first keyframe at or after at, around the end.
func (c *Clip) NextKey(at int) int {
	for i := range c.Frames {
		if n := (at + i) % len(c.Frames); c.Frames[n].IDR {
			return n
		}
	}
	return 0
}

// Check tells what is wrong with a choice of files for Open.
func Check(files []string) error {
	kinds := map[string]int{}
	for _, f := range files {
		kinds[kindOf(f)]++
	}
	switch {
	case len(files) == 0:
		return nil
	case kinds["video"] > 1 || kinds["audio"] > 1 || kinds["film"] > 1:
		return errors.New("the same kind of file is given twice")
	case kinds["film"] == 1 && len(files) > 1:
		return errors.New("a film brings its own sound, give it alone")
	case kinds["film"] == 0 && kinds["video"] == 0:
		return errors.New("sound alone is not enough, add a FILE.h264")
	}
	return nil
}

// kindOf sorts a file by its ending: H.264 in Annex B, Opus in Ogg, or
// anything else, which ffmpeg has to convert first.
func kindOf(file string) string {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".h264", ".264":
		return "video"
	case ".ogg", ".opus":
		return "audio"
	}
	return "film"
}

// Open reads FILE.h264 and FILE.ogg, lets ffmpeg convert any other file, or
// makes the standard clip if there is none. gop is the distance of the
// keyframes where ffmpeg makes them.
func Open(ctx context.Context, files []string, gop time.Duration) (*Clip, error) {
	if err := Check(files); err != nil {
		return nil, err
	}
	video, audio := "", ""
	for _, f := range files {
		switch kindOf(f) {
		case "video":
			video = f
		case "audio":
			audio = f
		default:
			var err error
			if video, audio, err = convertFilm(ctx, f, gop); err != nil {
				return nil, err
			}
		}
	}
	if video == "" {
		var err error
		if video, audio, err = standardClip(ctx, gop); err != nil {
			return nil, err
		}
	}
	return readClip(video, audio)
}

// readClip reads Annex B H.264 and Opus in Ogg. Without an audio file the
// clip has digital silence.
func readClip(video, audio string) (*Clip, error) {
	raw, err := readBounded(video)
	if err != nil {
		return nil, err
	}
	c := &Clip{FPS: framesPerSecond, Opus: [][]byte{{0xf8, 0xff, 0xfe}}}
	units := accessUnits(splitNALs(raw))
	for len(units) > 0 && !units[0].IDR {
		units = units[1:] // cannot be decoded, and a loop must begin with a keyframe
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("clip %s has no keyframe: it must be H.264 with start codes (Annex B)", video)
	}
	if len(units[0].Params) < 2 {
		return nil, fmt.Errorf("clip %s has no SPS and PPS before its first keyframe", video)
	}
	for _, u := range units {
		c.Frames = append(c.Frames, Packetise(u))
	}
	if audio == "" {
		return c, nil
	}
	if raw, err = readBounded(audio); err != nil {
		return nil, err
	}
	if c.Opus, err = opusFrames(raw); err != nil {
		return nil, fmt.Errorf("clip %s: %w", audio, err)
	}
	return c, nil
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the clip cannot be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("the clip cannot be read: %w", err)
	}
	if len(b) > maxBytes {
		return nil, fmt.Errorf("clip %s is larger than %d MB: cut it to a minute", file, maxBytes>>20)
	}
	return b, nil
}

// opusFrames reads an Ogg file that has one Opus frame of 20 ms on a page
// (RFC 7845), as ffmpeg writes it with -page_duration 20000.
func opusFrames(ogg []byte) ([][]byte, error) {
	r, _, err := oggreader.NewWith(bytes.NewReader(ogg))
	if err != nil {
		return nil, fmt.Errorf("not Opus in Ogg: %w", err)
	}
	var frames [][]byte
	for last := uint64(0); ; {
		payload, header, err := r.ParseNextPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("damaged Ogg page: %w", err)
		}
		if len(payload) == 0 || bytes.HasPrefix(payload, []byte("OpusTags")) {
			continue
		}
		if len(payload) > maxPayload || header.GranulePosition > last+AudioClock*OpusFrameMs/1000 {
			return nil, errors.New("more than 20 ms of sound on an Ogg page: " +
				"write it with ffmpeg -c:a libopus -frame_duration 20 -page_duration 20000")
		}
		last = header.GranulePosition
		frames = append(frames, payload)
	}
	if len(frames) == 0 {
		return nil, errors.New("no sound in it")
	}
	return frames, nil
}
